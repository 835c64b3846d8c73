"""Clients of boto3's, each made once and one at a time, whoever asks at the same time: their making is no thing for threads.

    @opened
    def _client(self) -> Any: ...      # as functools.cached_property, which locks nothing from Python 3.12 on

All of boto3's clients are made by one session, which two threads may find half made. Once made, a client is for all threads.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, Final, Generic, TypeVar

Client = TypeVar("Client")

ONE_AT_A_TIME: Final = Lock()


class opened(Generic[Client]):
    """From the second time on it is an attribute of the instance, and nobody waits."""

    def __init__(self, make: Callable[[Any], Client]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Client:
        with ONE_AT_A_TIME:
            made = vars(instance)
            if self._name not in made:
                made[self._name] = self._make(instance)
            client: Client = made[self._name]
            return client
