"""Callbacks, attempts, hosts and replays, as our own API tells of them, as lines for people.

`callbacks` prints them. Whatever hosts and applications said, it can neither end a line nor move the cursor.
"""

from collections.abc import Iterator
from typing import Any, Final

from tidings.ids import sid
from tidings.model import CallbackState, Target
from tidings.telemetry import CONTROLS

Json = dict[str, Any]


def callback_line(callback: Json) -> str:
    """`<id>  2026-11-21T17:28:16Z  given up  8 attempts  http://host:80  500  11200: …`"""
    return _columns(
        callback["id"],
        to_the_second(callback["created_at"]),
        f"{_state(callback):<8}",
        _count(callback["attempts"], "attempt"),
        callback["host"],
        _answer(callback),
        _error(callback["error"]),
    )


def callback_lines(callback: Json) -> Iterator[str]:
    """A callback and each of its attempts."""
    yield from rows(
        ("callback", callback["id"]),
        ("message", f"{sid('SM', callback['message_id'])}, event {callback['event']}"),
        ("goes to", f"{callback['host'].removeprefix('webhook:')}, {_TARGETS[Target(callback['target'])]}"),
        ("state", f"{_state(callback)} after {_count(callback['attempts'], 'attempt')}"),
        ("last error", _error(callback["error"])),
        ("made", callback["created_at"]),
        ("owed since", callback["owed_since"]),
        _end(callback),
        ("replay", callback["replay"]),
    )
    for attempt in callback["attempt_log"]:
        yield ""
        yield from attempt_lines(attempt)


def attempt_lines(attempt: Json) -> Iterator[str]:
    request, response, signature = attempt["request"], attempt["response"], attempt["signature"]
    yield f"attempt {attempt['ordinal']}, {attempt['at']}"
    yield from rows(
        ("request", f"{request['method']} {request['url']}"),
        *_said(request),
        ("signature", signature and f"{signature['header']}, {signature['algorithm']}, {signature['key']}"),
        ("response", str(response["status"]) if response else "none"),
        *(_said(response) if response else ()),
        ("timings", _timings(attempt["timings"])),
        ("error", _error(attempt["error"]) or "none: it was taken"),
        ("detail", attempt["detail"] or None),
        indent="  ",
    )


def host_line(host: Json) -> str:
    """`http://host:80  open after 10 failures in a row  120 outstanding  asked again at 2026-…  11205: …`"""
    failures = f" after {_count(host['failures'], 'failure')} in a row" if host["failures"] else ""
    return _columns(
        host["host"],
        f"{host['state'].replace('_', '-')}{failures}",
        f"{host['outstanding']} outstanding",
        f"asked again at {to_the_second(host['probe_at'])}" if host["probe_at"] else None,
        _error(host["last_error"]),
    )


def replay_line(replay: Json) -> str:
    """`1200 owed again: 1000 done, 3 given up, 150 owed, 47 retrying`"""
    progress = ", ".join(f"{replay['progress'][state]} {state.replace('_', ' ')}" for state in _PROGRESS)
    return f"{replay['requeued']} owed again{'' if replay['ended_at'] else ' so far'}: {progress}"


def to_the_second(at: str) -> str:
    """An ISO 8601 time in UTC, less its fraction."""
    return f"{at[:19]}Z"


def _columns(*values: str | None) -> str:
    return "  ".join(value for value in values if value is not None).translate(CONTROLS)


def rows(*named: tuple[str, str | None], indent: str = "") -> Iterator[str]:
    """Names and values in two columns; a row without a value is left out."""
    filled = [(name, value) for name, value in named if value is not None]
    width = max((len(name) for name, _ in filled), default=0)
    for name, value in filled:
        yield f"{indent}{name:<{width}}  {value}".translate(CONTROLS)


_PROGRESS: Final = (CallbackState.DONE, CallbackState.GIVEN_UP, CallbackState.OWED, CallbackState.RETRYING)

_TARGETS: Final = {
    Target.MESSAGE: "the URL its message was made with",
    Target.ACCOUNT: "the account-wide URL",
    Target.WEBHOOK: "which answers the number it came to",
    Target.RELAY: "the RELAY sessions that listen to its context",
}


def _answer(callback: Json) -> str | None:
    """The last one's status. RELAY answers without, and a document that is kept here is not asked for."""
    if callback["response"] is None and callback["attempts"] and callback["state"] != CallbackState.DONE:
        return "no answer"
    return callback["response"] and str(callback["response"])


def _state(callback: Json) -> str:
    return str(callback["state"]).replace("_", " ")


def _end(callback: Json) -> tuple[str, str | None]:
    if callback["done_at"]:
        return "ended", callback["done_at"]
    return "tried next", callback["due_at"]


def _said(request_or_response: Json) -> list[tuple[str, str]]:
    headers = [("  header", f"{name}: {value}") for name, value in request_or_response["headers"]]
    body = request_or_response["body"]
    return [*headers, ("  body", body)] if body else headers


def _timings(timings: Json) -> str:
    steps = (
        ("connected", timings["connected"]),
        ("first byte", timings["first_byte"]),
        ("over", timings["total"]),
    )
    return ", ".join(f"{name} after {took:.1f} ms" for name, took in steps if took is not None)


def _error(error: Json | None) -> str | None:
    return f"{error['code']}: {error['message']}" if error else None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
