"""Events of a message as lines for people.

`send --wait` and `demo` print what `GET /v1/messages/{id}/events` says, one line an event.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from tidings.lifecycle import Kind
from tidings.telemetry import CONTROLS

Detail = dict[str, Any]


def line(event: dict[str, Any]) -> str:
    """`18:06:30.123  sent         simulator took it and calls it "17"`, the time being UTC."""
    status = event["status"] if event["moved"] or event["number"] == 1 else "·"
    part = f"part {event['part']}: " if event["part"] > 1 else ""
    text = part + _WORDS[Kind(event["kind"])](event["detail"])
    if error := event["error"]:
        text += f"; error {error['code']}: {error['message']}"
    if not event["applied"]:
        text += " (changes nothing)"
    return f"{clock(event['at'])}  {status:<11}  {text}".translate(CONTROLS)


def clock(at: str) -> str:
    """The time of day of an ISO 8601 time, to the millisecond."""
    return at[11:23]


def seconds_between(first: dict[str, Any], last: dict[str, Any]) -> float:
    return (datetime.fromisoformat(last["at"]) - datetime.fromisoformat(first["at"])).total_seconds()


def _accepted(detail: Detail) -> str:
    if implied := detail.get("implied"):
        return f"{detail['carrier']} has it, as is shown {implied}"
    return f"{detail['carrier']} took it and calls it {detail['carrier_id']!r}"


def _deferred(detail: Detail) -> str:
    carrier = detail["carrier"]
    if detail.get("resend"):
        return f"to be submitted to {carrier} again"
    reason = detail.get("throttled") or detail.get("not_sent") or detail.get("reason") or "deferred"
    following = f"{detail['next']} is asked next" if "next" in detail else "it is asked again"
    return f"{carrier}: {reason}; {following}"


def _receipt(verdict: str) -> Callable[[Detail], str]:
    def say(detail: Detail) -> str:
        said = " ".join(filter(None, (detail.get("word"), detail.get("carrier_error"))))
        return f"receipt of {detail['carrier']}: {said or 'no word'}{verdict}"

    return say


_WORDS: Final[dict[Kind, Callable[[Detail], str]]] = {
    Kind.CREATED: lambda _: "taken in and on disk",
    Kind.INTENT: lambda detail: f"being submitted to {detail['carrier']}",
    Kind.ACCEPTED: _accepted,
    Kind.DEFERRED: _deferred,
    Kind.REFUSED: lambda detail: f"{detail['carrier']} refused it: {detail.get('reason', '')}",
    Kind.UNCERTAIN: lambda detail: f"{detail['carrier']} may have it: {detail['evidence']}; {detail['policy']}",
    Kind.ABANDONED: lambda _: "given up",
    Kind.EXPIRED: lambda _: "its validity ended while it waited",
    Kind.CANCELED: lambda _: "canceled",
    Kind.DELIVERED: _receipt(""),
    Kind.UNDELIVERED: _receipt(""),
    Kind.PROGRESS: _receipt(", still on its way"),
    Kind.UNKNOWN: _receipt(": the carrier does not know"),
    Kind.UNRECOGNISED: _receipt(": a word that no table holds"),
    Kind.RECEIVED: lambda _: "received",
}
