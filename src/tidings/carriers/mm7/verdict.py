"""What an MMSC's answer to a submission means: the table of MM7's status codes, and of HTTP's where there is none.

`carrier` asks `judge` for every answer and acts on the rule. Codes and names: 3GPP TS 23.140 §8.7; the first digit
is the class (1 success, 2 the request, 3 the server, 4 the service), and operators add codes of their own to each.
"""

from typing import Final

import msgspec

from tidings.carriers.mm7 import wire
from tidings.carriers.mm7.mime import Malformed
from tidings.carriers.smpp.command_status import Kind, StatusRule

LONGEST_PAUSE: Final = 60.0
"""Seconds: more than that is not heeded of a Retry-After, as the whole carrier pauses for it."""
SHORTEST_PAUSE: Final = 1.0


class Reply(msgspec.Struct, frozen=True):
    """An HTTP response."""

    status: int
    content_type: str
    body: bytes
    retry_after: str = ""


class Verdict(msgspec.Struct, frozen=True):
    rule: StatusRule
    reason: str
    """What the MMSC said, for people."""
    message_id: str = ""


STATUS_CODES: Final[dict[int, StatusRule]] = {
    1000: StatusRule(Kind.OK, 0, "Success"),
    2000: StatusRule(Kind.ROUTE, 30008, "Client error"),
    2001: StatusRule(Kind.ROUTE, 30008, "Operation restricted"),
    # Also of a recipient that this MMSC does not serve, which another one might.
    2002: StatusRule(Kind.ROUTE, 30005, "Address error"),
    2003: StatusRule(Kind.MESSAGE, 30005, "Address not found"),
    2004: StatusRule(Kind.MESSAGE, 30007, "Multimedia content refused"),
    2007: StatusRule(Kind.ROUTE, 30008, "Message format corrupt"),
    3000: StatusRule(Kind.AGAIN, 30008, "Server error", retries=2, after=30.0),
    3001: StatusRule(Kind.ROUTE, 30008, "Not possible"),
    3002: StatusRule(Kind.MESSAGE, 30008, "Message rejected"),
    # No code of the specification's: what Sinch's and Skycore's MMSCs answer, where others have no 3100.
    3100: StatusRule(Kind.SLOW, 30017, "Throughput exceeded", after=1.0),
    4000: StatusRule(Kind.AGAIN, 30008, "General service error", retries=1, after=30.0),
    4001: StatusRule(Kind.BIND, 30008, "Improper identification", after=60.0),
    4002: StatusRule(Kind.BIND, 30008, "Unsupported version", after=60.0),
    # The next one could be read: a message that draws this answer must not take the carrier down every time.
    4004: StatusRule(Kind.ROUTE, 30008, "Validation error"),
    4005: StatusRule(Kind.ROUTE, 30008, "Service error"),  # "should not be resent"
    4006: StatusRule(Kind.SLOW, 30017, "Service unavailable", after=10.0),
    4007: StatusRule(Kind.ROUTE, 30008, "Service denied"),
}

_PARTIAL: Final = StatusRule(Kind.OK, 0, "Partial success")
"""Of one recipient there is no part: the MMSC has it, and leaves something out."""
_BY_CLASS: Final[dict[int, StatusRule]] = {
    1: _PARTIAL,
    2: StatusRule(Kind.ROUTE, 30008, "Client error"),
    3: StatusRule(Kind.AGAIN, 30008, "Server error", retries=2, after=30.0),
    4: StatusRule(Kind.ROUTE, 30008, "Service error"),
}
_NO_CODE: Final = StatusRule(Kind.UNCERTAIN, 30008, "no status code")
_CONTRADICTED: Final = StatusRule(Kind.UNCERTAIN, 30008, "success that is none")

_FAULTS: Final[dict[str, StatusRule]] = {
    "Client": _BY_CLASS[2],
    "Server": _BY_CLASS[3],
    "VersionMismatch": StatusRule(Kind.BIND, 30008, "SOAP version", after=60.0),
    "MustUnderstand": StatusRule(Kind.BIND, 30008, "SOAP header", after=60.0),
}
"""SOAP faults without a status code (SOAP 1.1 §4.4.1)."""

_OURS: Final = StatusRule(Kind.BIND, 30008, "refused by HTTP", after=60.0)
_HTTP: Final[dict[int, StatusRule]] = {
    # Where we knock, or who we are, is wrong: whatever the message.
    401: _OURS, 403: _OURS, 404: _OURS, 405: _OURS, 407: _OURS,
    408: StatusRule(Kind.AGAIN, 30008, "request timeout", retries=2, after=10.0),
    413: StatusRule(Kind.ROUTE, 30019, "too large"),
    429: StatusRule(Kind.SLOW, 30017, "too many requests", after=10.0),
    503: StatusRule(Kind.SLOW, 30017, "unavailable", after=10.0),
}  # fmt: skip
_HTTP_BY_CLASS: Final[dict[int, StatusRule]] = {
    3: _OURS,
    4: StatusRule(Kind.ROUTE, 30008, "refused by HTTP"),
}
_UNREADABLE: Final = StatusRule(Kind.UNCERTAIN, 30008, "no answer that can be read")
"""A server that failed, or a proxy whose server did (500, 502, 504), may have the message all the same."""

_NOT_US: Final = frozenset({401, 403, 407})
"""Whatever stands in the body of these was not said to us as a client."""


def judge(reply: Reply, transaction: str) -> Verdict:
    """What an answer to the submission `transaction` means. Never fails."""
    if reply.status in _NOT_US:
        return _by_http(reply, "")
    try:
        envelope = wire.read(reply.content_type, reply.body)
    except Malformed as error:
        return _by_http(reply, str(error))
    if envelope.transaction not in ("", transaction):
        return Verdict(_NO_CODE, f"an answer to another transaction, {envelope.transaction[:80]!r}")
    said = wire.status(envelope)
    rule = rule_of(said.code) if said.code is not None else _FAULTS.get(said.fault, _NO_CODE)
    if (rule is _PARTIAL and not said.message_id) or (rule.kind is Kind.OK and said.fault):
        rule = _CONTRADICTED
    shown = said.code if said.code is not None else said.fault or envelope.operation
    return Verdict(rule, f"{shown} {said.words[:200] or rule.name}", said.message_id)


def rule_of(code: int) -> StatusRule:
    """The rule of a status code: the table's, else its class's."""
    return STATUS_CODES.get(code) or _BY_CLASS.get(code // 1000, _NO_CODE)


def _by_http(reply: Reply, problem: str) -> Verdict:
    rule = _HTTP.get(reply.status) or _HTTP_BY_CLASS.get(reply.status // 100, _UNREADABLE)
    if rule.kind is Kind.SLOW and reply.retry_after.isdecimal():
        pause = max(SHORTEST_PAUSE, min(float(reply.retry_after), LONGEST_PAUSE))
        rule = msgspec.structs.replace(rule, after=pause)
    return Verdict(rule, f"HTTP {reply.status}, {rule.name}" + (f": {problem}" if problem else ""))
