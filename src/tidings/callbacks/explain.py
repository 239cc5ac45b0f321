"""What was signed in a past attempt, character by character, read off the kept attempt alone.

For people whose proxy changes the URL: our own API shows it with every attempt, and `tidings explain-signature`
tries other URLs. The account may have changed its ways since; the attempt has not.
"""

import hmac
import re
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from tidings.callbacks.signing import (
    Algorithm,
    Params,
    signalwire_form_signature,
    signalwire_form_string,
    signalwire_order,
    signalwire_signature,
    twilio_order,
    twilio_signature,
    twilio_string,
    webhook_content,
    webhook_signature,
)
from tidings.dialects.own import masked
from tidings.model import Attempt

Parts = tuple[tuple[str, str], ...]


class NotSigned(ValueError):
    """The attempt has no signature that is known here."""


class Signed(msgspec.Struct, frozen=True):
    """One signature, explained."""

    header: str
    """The name of the header that has it."""
    signature: str
    """The value of that header."""
    algorithm: str
    key: str
    """Which key, by name: never its value."""
    string: str
    """What was signed, with user and password in its URL shown as ***."""
    parts: Parts
    """The same, taken apart: where each piece comes from, and the piece, in the order signed."""


class _Scheme(NamedTuple):
    """A way to sign, read off an attempt."""

    header: str
    algorithm: str
    key: str
    string: Callable[[str], str]
    """What is signed, by the URL."""
    parts: Callable[[str], Parts]
    sign: Callable[[str, str], str]
    """The signature, by key and URL."""


def signed(attempt: Attempt) -> Signed:
    """The signature of a kept attempt, and exactly what it covers. Raises NotSigned."""
    headers = _headers(attempt)
    scheme = _scheme(attempt, headers)
    shown = masked(attempt.url)
    return Signed(
        header=scheme.header,
        signature=headers[scheme.header.lower()],
        algorithm=scheme.algorithm,
        key=scheme.key,
        string=scheme.string(shown),
        parts=scheme.parts(shown),
    )


def expected(attempt: Attempt, key: str, url: str) -> str:
    """The signature that this request would need with `key`, had it been made to `url`.

    `key` is an auth token, a signing key, the secret of a shared key, or a `whsec_…`: what the attempt was signed
    with. Raises NotSigned, and ValueError for a `whsec_…` that is none.
    """
    return _scheme(attempt, _headers(attempt)).sign(key, url)


def verify(attempt: Attempt, key: str, url: str | None = None) -> bool:
    """Whether `key` makes the signature that was sent: over the URL as kept, or over the one that a receiver saw.

    Raises as `expected` does.
    """
    needed = expected(attempt, key, url or attempt.url)
    sent = signed(attempt).signature.split(" ")
    return any(hmac.compare_digest(needed, signature) for signature in sent)


def _headers(attempt: Attempt) -> dict[str, str]:
    """By their names in lower case."""
    pairs = (line.partition(": ") for line in attempt.headers.split("\n"))
    return {name.lower(): value for name, _, value in pairs}


def _scheme(attempt: Attempt, headers: dict[str, str]) -> _Scheme:
    for header, read in _SCHEMES.items():
        if header.lower() in headers:
            return read(attempt, headers)
    raise NotSigned(f"attempt {attempt.id} has no signature")


def _twilio(attempt: Attempt, headers: dict[str, str]) -> _Scheme:
    params = _params(attempt, headers)
    shared = _SHARED_KEY.fullmatch(headers.get("x-twilio-webhooks-signature-settings", ""))
    algorithm: Algorithm = "sha256" if shared else "sha1"
    return _Scheme(
        header="X-Twilio-Signature",
        algorithm=f"HMAC-{algorithm.upper()}, base64",
        key=f"shared key {shared[1]}" if shared else "auth token",
        string=lambda url: twilio_string(url, params),
        parts=lambda url: (("URL", url), *twilio_order(params)),
        sign=lambda key, url: twilio_signature(key, url, params, algorithm),
    )


def _signalwire(attempt: Attempt, headers: dict[str, str]) -> _Scheme:
    """Two schemes under one header: hex signs what is JSON for REST and RELAY, base64 the compatibility API's."""
    if not _HEX.fullmatch(headers["x-signalwire-signature"]):
        params = _params(attempt, headers)
        return _Scheme(
            header=_SIGNALWIRE,
            algorithm="HMAC-SHA1, base64",
            key="signing key",
            string=lambda url: signalwire_form_string(url, params),
            parts=lambda url: (("URL", url), *signalwire_order(params)),
            sign=lambda key, url: signalwire_form_signature(key, url, params),
        )
    return _Scheme(
        header=_SIGNALWIRE,
        algorithm="HMAC-SHA1, hex",
        key="signing key",
        string=lambda url: url + attempt.body,
        parts=lambda url: (("URL", url), ("body", attempt.body)),
        sign=lambda key, url: signalwire_signature(key, url, attempt.body.encode()),
    )


def _params(attempt: Attempt, headers: dict[str, str]) -> Params:
    """Those of a form that was posted."""
    posted = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    return parse_qsl(attempt.body, keep_blank_values=True) if posted else ()


def _webhook(attempt: Attempt, headers: dict[str, str]) -> _Scheme:
    """Standard Webhooks do not sign the URL."""
    token, timestamp, body = headers["webhook-id"], int(headers["webhook-timestamp"]), attempt.body.encode()
    return _Scheme(
        header="webhook-signature",
        algorithm="HMAC-SHA256, base64",
        key="secrets of the account-wide callbacks",
        string=lambda _: webhook_content(token, timestamp, body).decode(),
        parts=lambda _: (("webhook-id", token), ("webhook-timestamp", str(timestamp)), ("body", attempt.body)),
        sign=lambda key, _: webhook_signature(key, token, timestamp, body),
    )


_SHARED_KEY: Final = re.compile("key=(.*),algorithm=HMAC_SHA256")
_SIGNALWIRE: Final = "X-SignalWire-Signature"
_HEX: Final = re.compile("[0-9a-f]{40}")
_SCHEMES: Final = {"X-Twilio-Signature": _twilio, _SIGNALWIRE: _signalwire, "webhook-signature": _webhook}
