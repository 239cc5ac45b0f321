"""What a dialect makes of one go at a callback: how long, how often, on what, and under which codes failures go.

Applications change part of it in the fragment of their URL ("#rc=2&rp=5xx"), which is neither sent nor signed.
Pure; `round` asks for the policy of each round. Sources: Twilio "Webhooks: connection overrides", SignalWire
"Webhook delivery".
"""

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from tidings.callbacks.exchange import CODES, Kind, Response, Timeouts, TransportError
from tidings.dialects import signalwire
from tidings.model import Target


class RetryOn(StrEnum):
    """What may have become of an attempt, in the words of Twilio's `rp`."""

    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"
    CONNECT = "ct"
    """No connection, the TLS handshake included."""
    READ = "rt"
    """A connection, but no byte of an answer."""
    OTHER = "other"
    """Any other failure; no fragment can ask for it."""


class Codes(msgspec.Struct, frozen=True):
    """Debugger codes of a family of dialects."""

    kinds: dict[Kind, int]
    answers: dict[int, int]
    """By the first digit of the status."""
    other: int = 11200
    """Of any other answer that is no 2xx."""


class Policy(msgspec.Struct, frozen=True):
    """The rules of one round."""

    timeouts: Timeouts = Timeouts()
    """The total is for all attempts together."""
    retries: int = 0
    """Attempts after the first one, made at once."""
    retry_on: frozenset[RetryOn] = frozenset()
    redirects: int = 0
    """Most that are followed; 0: a 3xx is an answer like any other."""
    sni: bool = True
    codes: Codes = Codes(CODES, {})
    ignored: tuple[str, ...] = ()
    """Pieces of the fragment that say nothing here, or nothing that is possible."""


def cause(answer: Response | TransportError) -> RetryOn:
    """Under which word a failed attempt may be made again.

    Of an answer that broke off Twilio says that it is never retried, so it goes under none of Twilio's words.
    """
    if isinstance(answer, Response):
        return _ANSWERS.get(answer.status // 100, RetryOn.OTHER)
    return RetryOn.OTHER if answer.heard else _CAUSES.get(answer.kind, RetryOn.OTHER)


def code(codes: Codes, answer: Response | TransportError) -> int | None:
    """The debugger code of what came of an attempt; None: it was taken."""
    if isinstance(answer, TransportError):
        return codes.kinds[answer.kind]
    digit = answer.status // 100
    return None if digit == 2 else codes.answers.get(digit, codes.other)


_ANSWERS: Final = {4: RetryOn.CLIENT_ERROR, 5: RetryOn.SERVER_ERROR}
_CAUSES: Final = {
    Kind.REFUSED: RetryOn.CONNECT,
    Kind.UNREACHABLE: RetryOn.CONNECT,
    Kind.CONNECT_TIMEOUT: RetryOn.CONNECT,
    Kind.TLS: RetryOn.CONNECT,
    Kind.TLS_NAME: RetryOn.CONNECT,
    Kind.TLS_EXPIRED: RetryOn.CONNECT,
    Kind.TLS_UNTRUSTED: RetryOn.CONNECT,
    Kind.READ_TIMEOUT: RetryOn.READ,
    Kind.RESET: RetryOn.READ,
}
"""A name without an address and what the guard forbids are not among them: they stay so for the moment."""

_SIGNALWIRE_CODES: Final = Codes(
    kinds={
        **dict.fromkeys(Kind, 11200),
        Kind.DNS: 11210,
        Kind.REDIRECTS: 11215,
        Kind.TLS: 11220,
        Kind.TLS_NAME: 11220,
        Kind.TLS_EXPIRED: 11220,
        Kind.TLS_UNTRUSTED: 11220,
        Kind.PROTOCOL: 11251,
    },
    answers={4: 11217, 5: 11217},
)
"""It has one code for all that is wrong with TLS, and 11200 for all that has none of its own."""


# What a fragment may say: each key sets a field of `Timeouts` or `Policy`, to what its function makes of the text.
# These raise KeyError or ValueError for what is not possible.


def _whole(low: int, high: int, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(high)) and low <= int(text) <= high):
        raise ValueError(text)
    return int(text)


def _seconds(low: int, high: int, text: str) -> float:
    """Of milliseconds."""
    return _whole(low, high, text) / 1000


_ALL: Final = frozenset(RetryOn) - {RetryOn.OTHER}
_RETRY_ON: Final = {"all": _ALL} | {word.value: frozenset({word}) for word in _ALL}


def _retry_on(text: str) -> frozenset[RetryOn]:
    return frozenset[RetryOn]().union(*[_RETRY_ON[word] for word in text.split(",")])


_EDGES: Final = {
    *("ashburn", "dublin", "frankfurt", "sao-paulo", "singapore", "sydney", "tokyo", "umatilla"),
    *("ashburn-ix", "frankfurt-ix", "london-ix", "san-jose-ix", "singapore-ix"),
}


def _edges(text: str) -> None:
    """Where Twilio's requests start from; ours start where the gateway is."""
    if not set(text.split(",")) <= _EDGES:
        raise ValueError(text)


Override = tuple[str, Callable[[str], Any]]

_TWILIO_OVERRIDES: Final[dict[str, Override]] = {
    "ct": ("connect", partial(_seconds, 100, 10_000)),
    "rt": ("read", partial(_seconds, 100, 15_000)),
    "tt": ("total", partial(_seconds, 100, 15_000)),
    "rc": ("retries", partial(_whole, 0, 5)),
    "rp": ("retry_on", _retry_on),
    "sni": ("sni", {"y": True, "n": False}.__getitem__),
    "e": ("", _edges),
}
_SIGNALWIRE_OVERRIDES: Final[dict[str, Override]] = {
    "ot": ("connect", partial(_seconds, 100, 10_000)),
    "rt": ("read", partial(_seconds, 100, 15_000)),
    "tt": ("total", partial(_seconds, 100, 15_000)),
}

_TWILIO: Final = Policy(
    Timeouts(connect=5.0, read=15.0, total=15.0), retries=1, retry_on=frozenset({RetryOn.CONNECT}), redirects=10
)
_SIGNALWIRE: Final = Policy(
    Timeouts(connect=2.0, read=5.0, total=15.0),
    retries=2,
    retry_on=frozenset(RetryOn),
    redirects=3,
    codes=_SIGNALWIRE_CODES,
)
_ACCOUNT_WIDE: Final = Policy(Timeouts(connect=5.0, read=15.0, total=15.0))

_DIALECTS: Final[dict[str, tuple[Policy, dict[str, Override]]]] = {
    "twilio": (_TWILIO, _TWILIO_OVERRIDES),
    signalwire.COMPAT: (_SIGNALWIRE, _SIGNALWIRE_OVERRIDES),
    signalwire.REST: (_SIGNALWIRE, _SIGNALWIRE_OVERRIDES),
    signalwire.RELAY: (_SIGNALWIRE, _SIGNALWIRE_OVERRIDES),
}
"""A dialect's own rules, and what of them a fragment may change."""


@lru_cache(maxsize=1024)
def policy(dialect: str, target: Target, fragment: str) -> Policy:
    """The rules for a callback of `dialect` to a URL with this fragment.

    Raises KeyError for a dialect that is not known.
    """
    if target is Target.ACCOUNT:
        return _ACCOUNT_WIDE
    usual, overrides = _DIALECTS[dialect]
    if target is Target.WEBHOOK and usual is _SIGNALWIRE:
        # What asks for an answer is asked once; then it is the fallback URL's turn.
        usual = msgspec.structs.replace(usual, retries=0)
    found: dict[str, Any] = {}
    ignored = []
    for piece in filter(None, fragment.split("&")):
        key, _, value = piece.partition("=")
        try:
            field, read = overrides[key]
            if field in found:  # the first one counts
                raise ValueError(piece)
            found[field] = read(unquote(value))
        except (KeyError, ValueError):
            ignored.append(piece)
    times = {field: found.pop(field) for field in Timeouts.__struct_fields__ if field in found}
    found.pop("", None)
    timeouts = msgspec.structs.replace(usual.timeouts, **times)
    return msgspec.structs.replace(usual, timeouts=timeouts, ignored=tuple(ignored), **found)
