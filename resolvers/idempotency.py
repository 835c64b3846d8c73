"""A mutation that is sent twice under one key does its work once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import fields, is_dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from typing import Any, Final

import orjson
import strawberry

from db import idempotency_keys
from db.errors import IdempotencyInProgress, IdempotencyMismatch, Invalid
from schema.context import Context
from schema.scalars import decimal_text

KEPT: Final = timedelta(days=30)
_LONGEST: Final = 255


async def once(
    context: Context,
    mutation: str,
    input: object,
    act: Callable[[], Awaitable[Any]],
    again: Callable[[str], Awaitable[Any]],
) -> Any:
    """What `act` answers, or on a repeated key what `again` makes of the first answer's object.

    The key belongs to the customer (or the operators), the API key behind the request and the mutation; it is written in
    the transaction of its effect, so a refusal stores nothing. Raises Invalid, IdempotencyMismatch or
    IdempotencyInProgress. Source: BILLING.md, "A run".
    """
    key = getattr(input, "idempotency_key", None)
    if key is None or key is strawberry.UNSET:
        return await act()
    if not 1 <= len(key) <= _LONGEST or not key.isprintable():
        raise Invalid(
            f"An idempotency key has 1 to {_LONGEST} printable characters.", field=("input", "idempotencyKey")
        )
    caller, session = context.caller, context.session
    if not await idempotency_keys.hold(session, caller.customer_id, caller.key_id, mutation, key):
        raise IdempotencyInProgress()
    fingerprint = sha256(orjson.dumps(_plain(input), option=orjson.OPT_SORT_KEYS)).digest()
    first = await idempotency_keys.find(session, caller.key_id, mutation, key, since=context.now - KEPT)
    if first is not None:
        if first.fingerprint != fingerprint:
            raise IdempotencyMismatch()
        return await again(first.object_id)
    payload = await act()
    await idempotency_keys.keep(
        session,
        caller.customer_id,
        caller.key_id,
        mutation,
        key,
        fingerprint=fingerprint,
        object_id=object_of(payload).id,
    )
    return payload


def object_of(payload: Any) -> Any:
    """What a payload is about: its first field; None for a payload without an object."""
    first = fields(payload)[0].name
    return None if first == "errors" else getattr(payload, first)


def _plain(value: object) -> Any:
    """The coerced arguments as JSON, without the key itself: the same however the client wrote them."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.name != "idempotency_key"
        }
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.name
    if value is strawberry.UNSET:
        return {"unset": True}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return decimal_text(value)  # 1 and 1.00 are one amount
    return str(value)
