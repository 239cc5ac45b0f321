"""How a request to an application proves that it is from us, and which event it tells.

Pure functions, one per scheme that the official client libraries validate, and the idempotency token of
an event. The delivery engine calls them once per attempt, so they are written to cost a few microseconds.
"""

import base64
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Literal

Algorithm = Literal["sha1", "sha256"]

Params = Sequence[tuple[str, str]]
"""Decoded form parameters, in the order in which they are sent."""

WEBHOOK_PREFIX = "whsec_"
"""What secrets of Standard Webhooks begin with."""

EVENTS = uuid.UUID("6f0b7d0a-54c1-5d0e-9f0d-8a7a6a2f1c35")
"""Namespace of idempotency tokens. Never changes: a token must survive restarts and upgrades."""

_EVENTS = hashlib.sha1(EVENTS.bytes, usedforsecurity=False)
# RFC 9562 §4.1: the two top bits of octet 8 are 10, whatever the hash says.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def twilio_signature(token: str, url: str, params: Params, algorithm: Algorithm = "sha1") -> str:
    """X-Twilio-Signature of a form POST: base64 of the HMAC over the URL and the sorted parameters.

    `token` is the auth token of the account that owns the message, or the secret of a shared key with
    "sha256" (the request then also says so in X-Twilio-Webhooks-Signature-Settings). `url` is signed as
    configured, userinfo and port included; its fragment is ours and never part of it. For GET, whose
    parameters are in the query, and for JSON, whose hash is there (`body_sha256`), `params` is empty.
    Of a repeated name each different value counts once, in order (Twilio: "Validating requests").
    """
    return _base64_hmac(token, twilio_string(url, params), algorithm)


def twilio_string(url: str, params: Params) -> str:
    """What is signed: the URL and behind it, name and value, the parameters of `twilio_order`."""
    return url.partition("#")[0] + "".join(chain.from_iterable(twilio_order(params)))


def twilio_order(params: Params) -> list[tuple[str, str]]:
    """The parameters as they are signed: sorted, and of a repeated name each different value once."""
    ordered = sorted(params)
    return ordered if len(dict(ordered)) == len(ordered) else sorted(set(ordered))


def body_sha256(body: bytes) -> str:
    """The query parameter of a JSON request: through it the signature of the URL covers the body, too."""
    return f"bodySHA256={hashlib.sha256(body).hexdigest()}"


def extended(target: str, query: str) -> str:
    """A URL, or its path and query, with more query behind what it has."""
    separator = "?" if "?" not in target else "" if target.endswith(("?", "&")) else "&"
    return f"{target}{separator}{query}"


def new_signing_key() -> str:
    """A fresh key for SignalWire's signatures, in the shape of theirs."""
    return f"PSK_{secrets.token_hex(12)}"


def signalwire_signature(key: str, url: str, body: bytes, algorithm: Algorithm = "sha1") -> str:
    """X-SignalWire-Signature of a JSON request: lower-case hex of the HMAC over URL and raw body.

    `key` is the project's signing key (PSK_…).
    """
    return hmac.digest(key.encode(), url.partition("#")[0].encode() + body, algorithm).hex()


def signalwire_form_signature(key: str, url: str, params: Params) -> str:
    """X-SignalWire-Signature of a compatibility API form POST.

    Twilio's scheme but for repeated names: every value counts, in the order sent.
    """
    return _base64_hmac(key, signalwire_form_string(url, params), "sha1")


def signalwire_form_string(url: str, params: Params) -> str:
    """What is signed: the URL and behind it, name and value, the parameters of `signalwire_order`."""
    return url.partition("#")[0] + "".join(chain.from_iterable(signalwire_order(params)))


def signalwire_order(params: Params) -> list[tuple[str, str]]:
    """The parameters as they are signed: sorted by name, the values of a repeated one in the order sent."""
    return sorted(params, key=lambda param: param[0])


def webhook_signature(secret: str, id: str, timestamp: int, body: bytes) -> str:
    """One signature of a `webhook-signature` header, `v1,` and base64 (Standard Webhooks 1.0, symmetric).

    `id` and `timestamp` (seconds since 1970) are those of the headers `webhook-id` and `webhook-timestamp`.
    With several secrets each makes one, and the header has them all, a space between.
    """
    mac = hmac.digest(webhook_key(secret), webhook_content(id, timestamp, body), "sha256")
    return "v1," + base64.b64encode(mac).decode()


def webhook_content(id: str, timestamp: int, body: bytes) -> bytes:
    """What Standard Webhooks signs."""
    return f"{id}.{timestamp}.".encode() + body


@lru_cache(maxsize=1024)
def webhook_key(secret: str) -> bytes:
    """The key that a Standard Webhooks secret stands for: `whsec_` and the base64 of 24 to 64 bytes.

    Raises ValueError, saying what is wrong with it and never what it is.
    """
    if not secret.startswith(WEBHOOK_PREFIX):
        raise ValueError(f"a webhook secret begins with {WEBHOOK_PREFIX}")
    try:
        key = base64.b64decode(secret.removeprefix(WEBHOOK_PREFIX), validate=True)
    except ValueError:
        raise ValueError(f"what follows {WEBHOOK_PREFIX} in a webhook secret is base64") from None
    if not 24 <= len(key) <= 64:
        raise ValueError(f"a webhook secret holds 24 to 64 bytes, not {len(key)}")
    return key


def idempotency_token(message_id: str, sequence: int) -> str:
    """I-Twilio-Idempotency-Token of one event: the same on every attempt and after a restart.

    `message_id` is 32 hex digits, `sequence` the event's number within the message. The token is the
    UUIDv5 of "message_id/sequence" in `EVENTS`, made without building a UUID object.
    """
    name = f"{message_id}/{sequence}".encode()
    hashed = _EVENTS.copy()
    hashed.update(name)
    digest = hashed.hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{_VARIANT[digest[16]]}{digest[17:20]}-{digest[20:32]}"


def _base64_hmac(key: str, signed: str, algorithm: Algorithm) -> str:
    mac = _keyed(key, algorithm).copy()
    mac.update(signed.encode())
    return base64.b64encode(mac.digest()).decode()


@lru_cache(maxsize=1024)
def _keyed(key: str, algorithm: Algorithm) -> hmac.HMAC:
    """Setting a key up costs as much as signing with it, and an account signs with the same one all day."""
    return hmac.new(key.encode(), None, algorithm)
