"""One DynamoDB table for what all sandboxes know together: asked within half a second, or gone on without.

Nothing in it is the truth about anybody: that is the database's. Whoever cannot reach it answers from the database, or
passes the question on. What is in it and may not be read by others is signed or hashed by whoever puts it there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import Any, Final

from db.clients import opened

# After a failure nobody asks for this long; then one asks, and the others wait for what becomes of it.
PAUSE: Final = timedelta(seconds=5)

SECONDS_TO_CONNECT: Final = 0.25
SECONDS_TO_ANSWER: Final = 0.5

_AT_ONCE = 8
_MOST_KEYS = 100  # of one BatchGetItem
_TRIES = 3


class OutOfReach(Exception):
    """DynamoDB did not answer in time, had no capacity, or was out of reach a moment ago; the message says which."""


@dataclass(frozen=True, slots=True)
class Item:
    """`text`, `number` and `times` are what was put there, each where it was; `times` in the order of their arrival."""

    text: str = ""
    number: int | None = None
    times: tuple[datetime, ...] = ()


class Table:
    """`endpoint_url` is another address than Amazon's own: the emulator's. Nothing is opened before the first question.

    Every method raises OutOfReach. `now` also says which items are over: DynamoDB itself removes them days late.
    """

    def __init__(self, name: str, endpoint_url: str | None = None) -> None:
        self._name = name
        self._endpoint_url = endpoint_url
        self._shut_until: datetime | None = None

    async def read(self, keys: Sequence[str], *, now: datetime) -> dict[str, Item]:
        """Those of these items that are there; what was written before is seen."""
        if not keys:
            return {}
        if len(keys) > _MOST_KEYS:
            raise ValueError(f"{_MOST_KEYS} items are read at once, and no more")
        asked = {"Keys": [{"key": {"S": key}} for key in dict.fromkeys(keys)], "ConsistentRead": True}
        answer = await self._call("batch_get_item", now, RequestItems={self._name: asked})
        if answer.get("UnprocessedKeys"):
            self._shut(now)
            raise OutOfReach("no capacity for all of it")
        found = answer["Responses"].get(self._name, [])
        return {item["key"]["S"]: _item(item) for item in found if not _is_over(item, now)}

    async def put(self, key: str, text: str, *, until: datetime, now: datetime) -> None:
        item = {"key": {"S": key}, "text": {"S": text}, "until": {"N": str(int(until.timestamp()))}}
        await self._call("put_item", now, TableName=self._name, Item=item)

    async def raise_to(self, key: str, number: int, *, now: datetime, insist: bool = False) -> None:
        """The item's number becomes this one, were it not there or lower; it never goes down, and never ends.

        Who insists tries even where DynamoDB was out of reach a moment ago.
        """
        await self._call(
            "update_item",
            now,
            insist=insist,
            TableName=self._name,
            Key={"key": {"S": key}},
            UpdateExpression="SET #number = :number",
            ConditionExpression="attribute_not_exists(#number) OR #number < :number",
            ExpressionAttributeNames={"#number": "number"},
            ExpressionAttributeValues={":number": {"N": str(number)}},
        )

    async def remember(self, key: str, number: int, *, until: datetime, now: datetime) -> None:
        """The item's number is this one until then. It is insisted on, as above."""
        item = {"key": {"S": key}, "number": {"N": str(number)}, "until": {"N": str(int(until.timestamp()))}}
        await self._call("put_item", now, insist=True, TableName=self._name, Item=item)

    async def add_time(self, key: str, *, until: datetime, most: int, now: datetime) -> tuple[datetime, ...]:
        """Add `now` to the item's times, of which the newest `most` may be kept; all that there are then.

        Whoever appends at the same time is told something else: each sees those before him, and nobody after.
        """
        values: dict[str, Any] = {
            ":none": {"L": []},
            ":now": {"L": [{"N": str(_milliseconds(now))}]},
            ":until": {"N": str(int(until.timestamp()))},
        }
        place: dict[str, Any] = {
            "TableName": self._name,
            "Key": {"key": {"S": key}},
            "ExpressionAttributeNames": {"#times": "times", "#until": "until"},
        }
        answer = await self._call(
            "update_item",
            now,
            **place,
            UpdateExpression="SET #times = list_append(if_not_exists(#times, :none), :now), #until = :until",
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
        )
        times = answer["Attributes"]["times"]["L"]
        if len(times) > 2 * most:
            newest = {":newest": {"L": times[-most:]}, ":size": {"N": str(len(times))}, ":until": values[":until"]}
            await self._call(
                "update_item",
                now,
                **place,
                UpdateExpression="SET #times = :newest, #until = :until",
                ConditionExpression="size(#times) = :size",
                ExpressionAttributeValues=newest,
            )
        return _times(times)

    async def push(self, key: str, by: int, *, start: int, until: datetime, now: datetime) -> int:
        """The item's number goes up by so much, from where it is or from `start`, whichever is more; what it is then."""
        place: dict[str, Any] = {
            "TableName": self._name,
            "Key": {"key": {"S": key}},
            "ExpressionAttributeNames": {"#number": "number", "#until": "until"},
            "ReturnValues": "UPDATED_NEW",
        }
        ahead: dict[str, Any] = {
            "UpdateExpression": "SET #number = #number + :by, #until = :until",
            "ConditionExpression": "#number > :start",
        }
        behind: dict[str, Any] = {
            "UpdateExpression": "SET #number = :start + :by, #until = :until",
            "ConditionExpression": "attribute_not_exists(#number) OR #number <= :start",
        }
        values = {":by": by, ":start": start, ":until": int(until.timestamp())}
        given = {name: {"N": str(value)} for name, value in values.items()}
        for _ in range(_TRIES):
            # one of the two holds, unless others push it in between
            for how in (ahead, behind):
                answer = await self._call("update_item", now, **place, **how, ExpressionAttributeValues=given)
                if answer:
                    return int(answer["Attributes"]["number"]["N"])
        raise OutOfReach("others push it all the time")

    async def _call(self, operation: str, now: datetime, *, insist: bool = False, **asked: Any) -> dict[str, Any]:
        """The answer; an empty one where a condition did not hold."""
        if not insist:
            self._enter(now)
        try:
            answer = await asyncio.get_running_loop().run_in_executor(
                self._threads, partial(self._ask, operation, asked)
            )
        except OutOfReach:
            self._shut(now)
            raise
        self._shut_until = None
        return answer

    def _enter(self, now: datetime) -> None:
        # a clock set back must not keep it shut
        if self._shut_until is not None:
            if timedelta(0) < self._shut_until - now <= PAUSE:
                raise OutOfReach("it was out of reach a moment ago")
            self._shut(now)

    def _shut(self, now: datetime) -> None:
        self._shut_until = now + PAUSE

    def _ask(self, operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**asked)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == "ConditionalCheckFailedException":
                return {}
            raise OutOfReach(f"DynamoDB answers {code}") from error
        except BotoCoreError as error:
            raise OutOfReach(f"DynamoDB cannot be reached: {type(error).__name__}") from error
        return answer

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        # of its own: those of the loop verify keys, and are busy exactly when strangers come in crowds
        return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="dynamodb")

    @opened
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=SECONDS_TO_CONNECT,
            read_timeout=SECONDS_TO_ANSWER,
            retries={"total_max_attempts": 1},
            max_pool_connections=_AT_ONCE,
        )
        return boto3.client("dynamodb", endpoint_url=self._endpoint_url, config=config)


def _is_over(item: Mapping[str, Any], now: datetime) -> bool:
    return "until" in item and int(item["until"]["N"]) <= now.timestamp()


def _item(item: Mapping[str, Any]) -> Item:
    return Item(
        text=item["text"]["S"] if "text" in item else "",
        number=int(item["number"]["N"]) if "number" in item else None,
        times=_times(item["times"]["L"]) if "times" in item else (),
    )


def _times(times: Sequence[Mapping[str, str]]) -> tuple[datetime, ...]:
    return tuple(datetime.fromtimestamp(int(time["N"]) / 1000, UTC) for time in times)


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
