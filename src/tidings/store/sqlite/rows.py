"""Rows of the database, and what they are rows of. `store` reads by these and writes accounts by them."""

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tidings.arranged import Handling, Resource, Sender
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
from tidings.store.base import OwedCallback, R

_MESSAGE: Final = len(Message.__struct_fields__)
_CALLBACK: Final = len(Callback.__struct_fields__)

_NOTHING: Final = "{}"

_options = msgspec.json.Decoder(CallbackOptions)
_handling = msgspec.json.Decoder(Handling)


def message(row: Sequence[Any]) -> tuple[Message, Standing]:
    return _message(row[:_MESSAGE]), msgspec.convert((row[0], *row[_MESSAGE:]), Standing)


def _message(row: Sequence[Any]) -> Message:
    plain, extras = row[:-1], row[-1]
    # Nearly all have none; a row that ends before a field gets its default.
    return msgspec.convert(plain if extras == _NOTHING else (*plain, json.loads(extras)), Message)


def event(row: Sequence[Any]) -> Event:
    return msgspec.convert((*row[:-1], json.loads(row[-1])), Event, strict=False)


def receipt(row: Sequence[Any]) -> KeptReceipt:
    return msgspec.convert((*row[:-1], json.loads(row[-1])), KeptReceipt)


def callback(row: Sequence[Any]) -> Callback:
    return msgspec.convert(row, Callback)


def owed(row: Sequence[Any]) -> OwedCallback:
    return OwedCallback(
        callback=callback(row[:_CALLBACK]),
        message=_message(row[_CALLBACK : _CALLBACK + _MESSAGE]),
        event=event(row[_CALLBACK + _MESSAGE :]),
    )


def attempt(row: Sequence[Any]) -> Attempt:
    return msgspec.convert(row, Attempt)


def replay(row: Sequence[Any]) -> Replay:
    return msgspec.convert((*row[:-1], json.loads(row[-1])), Replay)


def account(row: Sequence[Any]) -> Account:
    fields = dict(zip(Account.__struct_fields__, row, strict=True))
    return Account(
        **fields
        | {
            "active": bool(fields["active"]),
            "test": bool(fields["test"]),
            "countries": _names(fields["countries"]),
            "callbacks": _options.decode(fields["callbacks"]),
            "dialects": _names(fields["dialects"]),
        }
    )


def _names(array: str | None) -> tuple[str, ...] | None:
    return None if array is None else tuple(json.loads(array))


def of_account(account: Account) -> dict[str, Any]:
    """What `put_account` takes."""
    return msgspec.structs.asdict(account) | {
        "countries": None if account.countries is None else json.dumps(account.countries),
        "callbacks": msgspec.json.encode(account.callbacks).decode(),
        "dialects": None if account.dialects is None else json.dumps(account.dialects),
    }


def sender(row: Sequence[Any]) -> Sender:
    address, account, queue_limit, id_, name, handling, created_at, updated_at, claimed = row
    return Sender(
        address,
        account,
        queue_limit,
        id_,
        name,
        _handling.decode(handling),
        created_at,
        updated_at,
        bool(claimed),
    )


def of_sender(sender: Sender) -> dict[str, Any]:
    """What `put_sender` takes, less the id for one without."""
    return msgspec.structs.asdict(sender) | {"handling": msgspec.json.encode(sender.handling).decode()}


def of_resource(resource: Resource) -> dict[str, Any]:
    """What `put_resource` takes."""
    return {
        "id": resource.id,
        "kind": kind(type(resource)),
        "account": resource.account,
        "parent": getattr(resource, "parent", None),
        "created_at": resource.created_at,
        "data": msgspec.json.encode(resource).decode(),
    }


def resource(data: str, kind: type[R]) -> R:
    return msgspec.json.decode(data, type=kind)


def kind(resource: type[Any]) -> str:
    """The name of a kind of resource, which is its tag."""
    return str(resource.__struct_config__.tag)
