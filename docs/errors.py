"""Makes docs/errors.md from the catalogue of errors, for `make docs`. A test holds the page against it."""

import json
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from tidings.carriers.mm7 import verdict
from tidings.carriers.smpp import profile
from tidings.carriers.smpp.command_status import Kind, classify
from tidings.dialects import signalwire_compat_errors, signalwire_relay, signalwire_rest_errors, twilio, twilio_xml
from tidings.errors import SECTIONS, Entry, Met, Problem
from tidings.web import own

PAGE: Final = Path(__file__).with_suffix(".md")
WIDTH: Final = 115
"""Characters of a line of prose."""

APIS: Final = {Met.TWILIO: "Twilio", Met.SIGNALWIRE: "SignalWire", Met.OURS: "ours"}
ANSWERED: Final = Met.TWILIO | Met.SIGNALWIRE | Met.OURS
ON_MESSAGES: Final = Met.MESSAGE | Met.CARRIER | Met.PROFILE
NO_REASON: Final = 30008
"""What a message ends with where nothing better is known: all that leads to it would fill the page."""
ENDING: Final = frozenset({Kind.MESSAGE, Kind.ROUTE, Kind.AGAIN, Kind.SLOW})
"""Answers of a carrier that a message can end with."""

HEAD: Final = """# Errors

<!-- Made by `make docs` from src/tidings/errors.py: what is to be changed is changed there. -->

Codes are Twilio's, so that what an application does about them goes on working; the words are ours. Behind the
words stands what was wrong this time: a parameter's value, or the reason. SignalWire's APIs have numbers and words
of their own for the same errors.

A code is met in one of three places:

- **as an answer**: the request is refused, and nothing was done
- **on a message**: it was taken, and failed or was not delivered; `error_code` and `error_message` say why, and
  `ErrorCode` of its status callback
- **on a callback**: the application could not be told or asked, or its answer was of no use; `tidings callbacks`
  and `/v1/Alerts` show it

Tests produce every code that an API answers with (`tests/web/test_every_error.py`), and every one that the gateway
lets a message end with.

## How each API says it

The same refusal everywhere: of a message to `123`.
"""
AS_AN_ANSWER: Final = """## As an answer

*HTTP* is the status in Twilio's API and in ours. *SignalWire* is the number that its Compatibility API has for the
code, and the status there. *Met* says which APIs answer with it (ours is what is below `/v1/` and not Twilio's),
and where else it is met.
"""
ON_A_MESSAGE: Final = """## On a message

Carriers say why they did not deliver a message in the answer to its submission or in a receipt; a
[profile](carriers.md) translates what receipts say. The gateway lets messages end that must not or cannot be sent
when their turn has come.
"""
ON_A_CALLBACK: Final = """## On a callback

Codes of the other tables are met here as well, most of them because the application answered an inbound message
with a reply that was refused: {others}.
"""


def page() -> str:
    return "\n".join([HEAD, *_examples(), AS_AN_ANSWER, *_answers(), ON_A_MESSAGE, *_messages(), *_callbacks()])


# --- the same refusal everywhere
def _examples() -> Iterator[str]:
    problem = Problem(21211, value="123")
    in_twilios = twilio.error_json(problem)
    compat = signalwire_compat_errors.error_json(problem)
    rest_status, rest = signalwire_rest_errors.errors_json(problem)
    ours = own.refuse(problem)
    yield _example(f"Twilio's API, HTTP {problem.http}", _json(in_twilios))
    yield _example("The same without `.json`", twilio_xml.document("RestException", in_twilios).decode(), "xml")
    yield _example(f"SignalWire's Compatibility API, HTTP {compat['status']}", _json(compat))
    yield _example(f"SignalWire's REST API, HTTP {rest_status}", _json(rest))
    yield _example("SignalWire's RELAY", _json(signalwire_relay.refusal_json(problem)))
    yield _example(f"Ours (RFC 9457), HTTP {ours.status}", _json(json.loads(ours.content)))


def _json(body: Any) -> str:
    return json.dumps(body, indent=2)


def _example(title: str, body: str, language: str = "json") -> str:
    return f"{title}:\n\n```{language}\n{body.rstrip()}\n```\n"


# --- as an answer
def _answers() -> Iterator[str]:
    for section in SECTIONS:
        if rows := [_answer(entry) for entry in section.entries if entry.met & ANSWERED]:
            yield _table(section.title, ("code", "HTTP", "what it says", "SignalWire", "met"), rows)


def _answer(entry: Entry) -> tuple[str, ...]:
    theirs = ""
    if Met.SIGNALWIRE in entry.met:
        said = signalwire_compat_errors.error_json(Problem(entry.code))
        theirs = f"{said['code']}, {said['status']}"
    answered = entry.met & ANSWERED
    places = ["everywhere"] if answered == ANSWERED else [name for api, name in APIS.items() if api in answered]
    places += [place for place, met in (("messages", ON_MESSAGES), ("callbacks", Met.CALLBACK)) if entry.met & met]
    return f"`{entry.code}`", str(entry.http), entry.message, theirs, ", ".join(places)


# --- on a message
def _messages() -> Iterator[str]:
    others: list[Entry] = []
    for section in SECTIONS:
        found = [entry for entry in section.entries if entry.met & ON_MESSAGES]
        if len(found) == len(section.entries):
            yield _on_messages(section.title, found)
        else:
            others += found
    yield _on_messages("Codes of the other tables", others)


def _on_messages(title: str, entries: Iterable[Entry]) -> str:
    rows = [
        (f"`{one.code}`", one.message, str(signalwire_compat_errors.number(one.code)), "; ".join(_said_by(one)))
        for one in entries
    ]
    return _table(title, ("code", "what it says", "SignalWire", "who says so"), rows)


def _said_by(entry: Entry) -> Iterator[str]:
    if Met.MESSAGE in entry.met:
        yield "the gateway"
    if Met.PROFILE in entry.met:
        yield "a receipt"
    if entry.code == NO_REASON:
        yield "any other answer or receipt that is final"
    elif Met.CARRIER in entry.met:
        yield from _carriers(entry.code)


def _carriers(code: int) -> Iterator[str]:
    """What leads to a code: answers to a submission, and receipts as profiles read them."""
    statuses = [rule.name for rule in map(classify, range(0x400)) if rule.error == code and rule.kind in ENDING]
    if statuses:
        yield f"SMPP {', '.join(statuses)}"
    answers = [str(status) for status, rule in verdict.STATUS_CODES.items() if rule.error == code]
    answers += [f"HTTP {status}" for status in range(400, 600) if _mm7_error(status) == code]
    if answers:
        yield f"MM7 {', '.join(answers)}"
    profiles = [f"`{name}`" for name in profile.names() if code in _errors(profile.load(name))]
    if profiles:
        everywhere = len(profiles) == len(profile.names())
        yield "receipts" if everywhere else f"receipts with profile {', '.join(profiles)}"


def _mm7_error(status: int) -> int:
    return verdict.judge(verdict.Reply(status, "text/plain", b""), "").rule.error


def _errors(one: profile.Profile) -> set[int]:
    return {*one.errors.values(), *one.network_errors.values(), *(rule.error for rule in one.states.values())}


# --- on a callback
def _callbacks() -> Iterator[str]:
    others: list[int] = []
    tables = []
    for section in SECTIONS:
        found = [entry for entry in section.entries if Met.CALLBACK in entry.met]
        if len(found) == len(section.entries) and not any(entry.met & ANSWERED for entry in found):
            rows = [(f"`{entry.code}`", entry.message) for entry in found]
            tables.append(_table(section.title, ("code", "what it says"), rows))
        else:
            others += [entry.code for entry in found]
    yield _filled(ON_A_CALLBACK.format(others=", ".join(map(str, others))))
    yield from tables


# --- pieces of a page
def _filled(prose: str) -> str:
    """Its paragraphs in lines that are not too long."""
    paragraphs = prose.strip().split("\n\n")
    return "\n\n".join(textwrap.fill(paragraph, WIDTH) for paragraph in paragraphs) + "\n"


def _table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join([f"### {title}", "", *(f"| {' | '.join(cells)} |" for cells in lines), ""])


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
