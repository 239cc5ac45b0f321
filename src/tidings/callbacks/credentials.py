"""Answers to `WWW-Authenticate`: Basic (RFC 7617) and Digest (RFC 7616), with the user and password of a URL.

`agent` asks once a server has said 401: credentials are never sent before they are asked for. Pure but for the
nonce of ours in a Digest answer.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple
from urllib.request import parse_http_list

_WORD: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_PIECE: Final = re.compile(rf"(?:({_WORD})(?:\s+|$))?(?:({_WORD})\s*=\s*(.*))?", re.DOTALL)
"""Between two commas: a scheme, a parameter, or a scheme and its first parameter (RFC 9110 §11.6.1)."""
_COUNT: Final = "00000001"
"""How often a nonce was used: once, as every request is challenged anew."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_HASHES: Final[dict[str, Callable[[bytes], str]]] = {
    # Weak, and what most servers that ask for a digest still ask for.
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "sha-256": lambda data: hashlib.sha256(data).hexdigest(),
}


class Challenge(NamedTuple):
    scheme: str
    """Lower case."""
    params: dict[str, str]
    """By name in lower case; quotes are taken off."""


def authorization(
    challenges: Iterable[bytes], method: str, target: str, user: str, password: str, *, cnonce: str | None = None
) -> bytes | None:
    """The value of an Authorization header; None where there is no challenge that can be answered.

    Args:
        challenges: the values of all `WWW-Authenticate` headers.
        target: path and query, as they are requested.
        cnonce: our nonce in a Digest answer; a random one unless a test says which.

    The first Digest that is understood is answered, as servers name the one they like best first (RFC 7616 §3.7);
    Basic only where there is none, as it tells the password.
    """
    if _CONTROL.search(user + password):
        return None  # RFC 7617 §2: not possible
    known = [challenge for value in challenges for challenge in parse_challenges(_text(value))]
    cnonce = cnonce or secrets.token_hex(16)
    for scheme, params in known:
        if scheme == "digest" and (answer := _digest(params, method, target, user, password, cnonce)):
            return _bytes(answer)
    if any(scheme == "basic" for scheme, _ in known):
        return b"Basic " + base64.b64encode(f"{user}:{password}".encode())
    return None


def parse_challenges(value: str) -> Iterator[Challenge]:
    """Every challenge in one header. What does not read as one is passed over."""
    challenge = None
    for piece in parse_http_list(value):
        found = _PIECE.fullmatch(piece)
        if found is None:
            continue
        scheme, name, text = found.groups()
        if scheme is not None:
            if challenge is not None:
                yield challenge
            challenge = Challenge(scheme.lower(), {})
        if name is not None and challenge is not None:
            quoted = len(text) > 1 and text[0] == text[-1] == '"'
            challenge.params.setdefault(name.lower(), text[1:-1] if quoted else text)
    if challenge is not None:
        yield challenge


def _digest(
    challenge: dict[str, str], method: str, target: str, user: str, password: str, cnonce: str
) -> str | None:
    """RFC 7616 §3.4, and RFC 2617 §3.2.2.1 where no qop is named; None for what is not understood."""
    algorithm = challenge.get("algorithm", "MD5")
    hashed = _HASHES.get(algorithm.lower().removesuffix("-sess"))
    session = algorithm.lower().endswith("-sess")
    qop = "auth" if "qop" in challenge else None
    realm, nonce = challenge.get("realm"), challenge.get("nonce")
    if hashed is None or realm is None or nonce is None:
        return None
    if qop and qop not in re.split(r"[\s,]+", challenge["qop"].lower()):
        return None

    def digest(*parts: str) -> str:
        return hashed(_bytes(":".join(parts)))

    secret = digest(user, realm, password)
    if session:
        secret = digest(secret, nonce, cnonce)
    quality = (_COUNT, cnonce, qop) if qop else ()
    fields = {
        "username": _quoted(user),
        "realm": _quoted(realm),
        "nonce": _quoted(nonce),
        "uri": _quoted(target),
        "response": _quoted(digest(secret, nonce, *quality, digest(method, target))),
    }
    if "algorithm" in challenge:
        fields["algorithm"] = algorithm
    if "opaque" in challenge:
        fields["opaque"] = _quoted(challenge["opaque"])
    if qop or session:
        fields["cnonce"] = _quoted(cnonce)
    if qop:
        fields |= {"qop": qop, "nc": _COUNT}
    return "Digest " + ", ".join([f"{name}={value}" for name, value in fields.items()])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


# What a server says is hashed and said back byte for byte, whatever its encoding.


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
