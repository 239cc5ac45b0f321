"""How a request to an application proves that it is from us, and which event it tells.

Pure functions, one per scheme that the official client libraries validate, and the idempotency token of
an event. The delivery engine calls them once per attempt, so they are written to cost a few microseconds.
"""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from operator import eq
from typing import Literal

Algorithm = Literal["sha1", "sha256"]

Params = Sequence[tuple[str, str]]
"""Decoded form parameters, in the order in which they are sent."""

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
    parameters are in the query, and for JSON (`twilio_json_url`), `params` is empty.
    Of a repeated name each different value counts once, in order (Twilio: "Validating requests").
    """
    ordered = sorted(params)
    if any(map(eq, ordered, ordered[1:])):
        ordered = sorted(set(ordered))
    signed = "".join(chain((url.partition("#")[0],), chain.from_iterable(ordered)))
    return _base64_hmac(token, signed, algorithm)


def twilio_json_url(url: str, body: bytes) -> str:
    """The URL to sign and to request when a JSON body is sent: the hash of the body is in its query."""
    address, _, _ = url.partition("#")
    separator = "?" if "?" not in address else "" if address.endswith(("?", "&")) else "&"
    return f"{address}{separator}bodySHA256={hashlib.sha256(body).hexdigest()}"


def signalwire_signature(key: str, url: str, body: bytes, algorithm: Algorithm = "sha1") -> str:
    """X-SignalWire-Signature of a JSON request: lower-case hex of the HMAC over URL and raw body.

    `key` is the project's signing key (PSK_…).
    """
    return hmac.digest(key.encode(), url.partition("#")[0].encode() + body, algorithm).hex()


def signalwire_form_signature(key: str, url: str, params: Params) -> str:
    """X-SignalWire-Signature of a compatibility API form POST.

    Twilio's scheme but for repeated names: every value counts, in the order sent.
    """
    ordered = sorted(params, key=lambda param: param[0])
    signed = "".join(chain((url.partition("#")[0],), chain.from_iterable(ordered)))
    return _base64_hmac(key, signed, "sha1")


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
