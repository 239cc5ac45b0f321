"""Our own API's words: how messages, events and callbacks look as JSON, in its answers and account-wide callbacks.

Twilio's API has no words for most of this: history, evidence, raw receipts, attempts at callbacks, doubt.
"""

import re
from typing import Any, Final

from tidings.callbacks.breaker import HostReport
from tidings.clock import iso
from tidings.errors import words
from tidings.ids import sid
from tidings.model import Attempt, Callback, Channel, Event, KeptReceipt, Message, Segment, Standing, Target
from tidings.store.base import CallbackKey

_PASSWORD: Final = re.compile(r"(?<=://)[^/?#]*@")
_CALLBACK_ID: Final = re.compile(r"([0-9a-f]{32})-([1-9][0-9]{0,8})(?:-(account|webhook|relay))?")


def masked(url: str) -> str:
    """A URL that may be shown: without the user and password it may hold."""
    return _PASSWORD.sub("***@", url)


def callback_id(key: CallbackKey) -> str:
    """`<message id>-<event number>`, and behind it `-` and the target, but for the message's own URL."""
    ending = "" if key.target is Target.MESSAGE else f"-{key.target.value}"
    return f"{key.message_id}-{key.number}{ending}"


def callback_key(id: str) -> CallbackKey | None:
    """What `callback_id` made; None for anything else."""
    found = _CALLBACK_ID.fullmatch(id)
    return found and CallbackKey(found[1], int(found[2]), Target(found[3] or Target.MESSAGE))


def asked_json(message: Message) -> dict[str, Any]:
    """A message as it was asked for or received: what never changes."""
    return {
        "id": message.id,
        "sid": sid("SM" if message.channel is Channel.SMS else "MM", message.id),
        "account": message.account,
        "dialect": message.dialect,
        "direction": message.direction,
        "from": message.sender,
        "to": message.recipient,
        "body": message.body,
        "channel": message.channel,
        "encoding": message.encoding,
        "segment_count": message.segments,
        "media_count": message.media,
        "created_at": iso(message.created_at),
    }


def message_json(message: Message, standing: Standing) -> dict[str, Any]:
    return asked_json(message) | {
        "status": standing.status,
        "error": error_json(standing.error),
        "carrier": standing.carrier,
        "tries": standing.tries,
        "event_count": standing.events,
        "validity": message.validity,
        "callback_url": message.callback_url and masked(message.callback_url),
        "updated_at": iso(standing.updated_at),
        "sent_at": time_json(standing.sent_at),
        "due_at": time_json(standing.due_at),
        "redacted_at": time_json(standing.redacted_at),
        "service": message.service,
        "price": None if message.price is None else message.price / 1_000_000,
    }


def segment_json(segment: Segment) -> dict[str, Any]:
    return {
        "part": segment.part,
        "state": segment.state,
        "carrier": segment.carrier,
        "carrier_id": segment.carrier_id,
        "error": error_json(segment.error),
        "submitted_at": time_json(segment.submitted_at),
        "answered_at": time_json(segment.answered_at),
        "settled_at": time_json(segment.settled_at),
    }


def event_json(event: Event) -> dict[str, Any]:
    return {
        "message_id": event.message_id,
        "number": event.number,
        "at": iso(event.at),
        "kind": event.kind,
        "status": event.status,
        "moved": event.moved,
        "applied": event.applied,
        "part": event.part,
        "error": error_json(event.error),
        "detail": event.detail,
    }


def receipt_json(kept: KeptReceipt) -> dict[str, Any]:
    return {
        "id": kept.id,
        "carrier": kept.carrier,
        "received_at": iso(kept.received_at),
        "part": kept.part,
        "raw": kept.raw,
        "receipt": kept.receipt,
    }


def callback_json(callback: Callback) -> dict[str, Any]:
    return {
        "id": callback_id(CallbackKey(callback.message_id, callback.number, callback.target)),
        "message_id": callback.message_id,
        "event": callback.number,
        "target": callback.target,
        "host": callback.host,
        "state": callback.state,
        "attempts": callback.attempts,
        "response": callback.response,
        "error": error_json(callback.error),
        "created_at": iso(callback.created_at),
        "owed_since": iso(callback.owed_since),
        "due_at": iso(callback.due_at),
        "done_at": time_json(callback.done_at),
        "replay": callback.replay,
    }


def telling_json(message: Message, event: Event) -> dict[str, Any]:
    """The body of an account-wide callback: the event, and its message as it was asked for or received."""
    return {
        "type": f"message.{event.kind}",
        "timestamp": iso(event.at),
        "data": {"message": asked_json(message), "event": event_json(event)},
    }


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    """Timings in milliseconds from the start of the attempt, null where it did not come that far."""
    response = {
        "status": attempt.response,
        "headers": header_pairs(attempt.response_headers),
        "body": attempt.response_body,
    }
    return {
        "id": attempt.id,
        "ordinal": attempt.ordinal,
        "at": iso(attempt.at),
        "timings": {
            "connected": _milliseconds(attempt.connected),
            "first_byte": _milliseconds(attempt.first_byte),
            "total": _milliseconds(attempt.elapsed),
        },
        "request": {
            "method": attempt.method,
            "url": masked(attempt.url),
            "headers": header_pairs(attempt.headers),
            "body": attempt.body,
        },
        "response": None if attempt.response is None else response,
        "error": error_json(attempt.error),
        "detail": attempt.detail,
    }


def header_pairs(lines: str) -> list[tuple[str, str]]:
    """Kept headers, "Name: value" a line, as (name, value)."""
    return [(name, value) for name, _, value in (line.partition(": ") for line in lines.split("\n") if line)]


def _milliseconds(micros: int | None) -> float | None:
    return None if micros is None else micros / 1000


def host_json(report: HostReport) -> dict[str, Any]:
    return {
        "host": report.host,
        "state": report.state,
        "failures": report.failures,
        "last_error": error_json(report.last_error),
        "probe_at": time_json(report.probe_at),
        "outstanding": report.outstanding,
    }


def error_json(code: int | None) -> dict[str, Any] | None:
    return None if code is None else {"code": code, "message": words(code)}


def time_json(at: int | None) -> str | None:
    return None if at is None else iso(at)
