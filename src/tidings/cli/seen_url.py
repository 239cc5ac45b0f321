"""How the URL that was signed and the one that an application saw differ: pure, piece by piece, in words.

`explain-signature` prints it. A signature covers the URL letter by letter, so that a proxy which only spells it
differently breaks it.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, unquote_plus

import msgspec

from tidings.callbacks.url import DEFAULT_PORTS

# RFC 3986 appendix B, with the authority taken apart. Nothing is normalised.
_PIECES: Final = re.compile(
    r"(?P<scheme>[^:/?#]+)://(?:(?P<user>[^/?#]*)@)?(?P<host>\[[^\]]*\]|[^:/?#]*)(?::(?P<port>[^/?#]*))?"
    r"(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?:#.*)?",
    re.DOTALL,
)

MASKED: Final = "***"
"""What our own API shows in the place of user and password: they may be the same as those that were seen."""


class Difference(msgspec.Struct, frozen=True):
    piece: str
    """scheme, user and password, host, port, path, query"""
    words: str


def differences(signed: str, seen: str) -> list[Difference]:
    """What of `seen` is not as in `signed`, in the order of a URL. Fragments count for nothing.

    Raises ValueError where `seen` is no URL with scheme and host.
    """
    ours, theirs = _PIECES.fullmatch(signed), _PIECES.fullmatch(seen)
    if ours is None or theirs is None:
        raise ValueError(f"{seen} is no whole URL: https://host/path?query, as the application saw it")
    return list(_differences(ours.groupdict(default=""), theirs.groupdict(default="")))


def _differences(ours: dict[str, str], theirs: dict[str, str]) -> Iterator[Difference]:
    if ours["scheme"] != theirs["scheme"]:
        ended = ": TLS ends before the application does" if ours["scheme"].lower() == "https" else ""
        yield Difference("scheme", _both(ours, theirs, "scheme") + ended)
    if ours["user"] != theirs["user"] and not (ours["user"] == MASKED and theirs["user"]):
        yield Difference("user and password", _user(ours["user"], theirs["user"]))
    if ours["host"] != theirs["host"]:
        only = ": only in letter case" if ours["host"].lower() == theirs["host"].lower() else ""
        yield Difference("host", _both(ours, theirs, "host") + only)
    if ours["port"] != theirs["port"]:
        yield Difference("port", _both(ours, theirs, "port") + _port(ours, theirs))
    if ours["path"] != theirs["path"]:
        yield Difference("path", _both(ours, theirs, "path") + _path(ours["path"], theirs["path"]))
    if ours["query"] != theirs["query"]:
        yield Difference("query", _query(ours["query"], theirs["query"]))


def _both(ours: dict[str, str], theirs: dict[str, str], piece: str) -> str:
    return f"signed {ours[piece] or 'none'}, seen {theirs[piece] or 'none'}"


def _user(ours: str, theirs: str) -> str:
    """Neither of them is shown."""
    if not theirs:
        return "signed with those in the URL, seen without: they have to be put back in front of the host"
    return "signed with others than were seen" if ours else "signed without, seen with some"


def _port(ours: dict[str, str], theirs: dict[str, str]) -> str:
    """Twilio's own validators try the URL with the default port and without it."""
    ports = [pieces["port"] or str(DEFAULT_PORTS.get(pieces["scheme"], "")) for pieces in (ours, theirs)]
    return ": the same one, but only one of the two spells it out" if ports[0] == ports[1] else ""


def _path(ours: str, theirs: str) -> str:
    if ours.rstrip("/") == theirs.rstrip("/"):
        return ": only a trailing slash"
    if unquote(ours) == unquote(theirs):
        return ": only in percent-encoding"
    return ""


def _query(ours: str, theirs: str) -> str:
    if not theirs:
        return f"signed {ours}, seen none"
    if not ours:
        return f"signed none, seen {theirs}"
    signed, seen = ours[1:].split("&"), theirs[1:].split("&")
    if sorted(signed) == sorted(seen):
        return "the same parameters in another order"
    if list(map(unquote_plus, signed)) == list(map(unquote_plus, seen)):
        pairs = ", ".join(f"{one} is {other}" for one, other in zip(signed, seen, strict=True) if one != other)
        return f"only in encoding: {pairs}"
    missing = [pair for pair in signed if pair not in seen]
    added = [pair for pair in seen if pair not in signed]
    words = [
        f"{' and '.join(missing)} missing" if missing else "",
        f"{' and '.join(added)} added" if added else "",
    ]
    return ", ".join(filter(None, words)) or f"signed {ours}, seen {theirs}"
