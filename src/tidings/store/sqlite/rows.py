"""Rows of the database, and what they are rows of. `store` reads by these and writes accounts by them."""

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tidings.model import (
    Account,
    Attempt,
    Callback,
    CallbackOptions,
    Event,
    KeptReceipt,
    Message,
    Replay,
    Standing,
)
from tidings.store.base import OwedCallback

_MESSAGE: Final = len(Message.__struct_fields__)
_CALLBACK: Final = len(Callback.__struct_fields__)

_options = msgspec.json.Decoder(CallbackOptions)


def message(row: Sequence[Any]) -> tuple[Message, Standing]:
    return (
        msgspec.convert(row[:_MESSAGE], Message),
        msgspec.convert((row[0], *row[_MESSAGE:]), Standing),
    )


def event(row: Sequence[Any]) -> Event:
    return msgspec.convert((*row[:-1], json.loads(row[-1])), Event, strict=False)


def receipt(row: Sequence[Any]) -> KeptReceipt:
    return msgspec.convert((*row[:-1], json.loads(row[-1])), KeptReceipt)


def callback(row: Sequence[Any]) -> Callback:
    return msgspec.convert(row, Callback)


def owed(row: Sequence[Any]) -> OwedCallback:
    return OwedCallback(
        callback=callback(row[:_CALLBACK]),
        message=msgspec.convert(row[_CALLBACK : _CALLBACK + _MESSAGE], Message),
        event=event(row[_CALLBACK + _MESSAGE :]),
    )


def attempt(row: Sequence[Any]) -> Attempt:
    return msgspec.convert(row, Attempt)


def replay(row: Sequence[Any]) -> Replay:
    return msgspec.convert((*row[:-1], json.loads(row[-1])), Replay)


def account(row: Sequence[Any]) -> Account:
    id_, name, auth_token, created_at, active, countries, previous_token, previous_until, callbacks = row
    return Account(
        id_,
        name,
        auth_token,
        created_at,
        bool(active),
        None if countries is None else tuple(json.loads(countries)),
        previous_token,
        previous_until,
        _options.decode(callbacks),
    )


def of_account(account: Account) -> dict[str, Any]:
    """What `put_account` takes."""
    return msgspec.structs.asdict(account) | {
        "countries": None if account.countries is None else json.dumps(account.countries),
        "callbacks": msgspec.json.encode(account.callbacks).decode(),
    }
