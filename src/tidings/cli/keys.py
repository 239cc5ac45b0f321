"""The keys that callbacks are signed with, and whether one of them signed a callback that came in.

`listen` checks with it what it is told.
"""

import hmac
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from tidings.callbacks.signing import (
    body_sha256,
    signalwire_form_signature,
    signalwire_signature,
    twilio_signature,
    webhook_signature,
)
from tidings.cli.receiver import Params, Received
from tidings.model import Account

_SECONDS: Final = re.compile(r"[0-9]{1,12}").fullmatch


class Keys(msgspec.Struct, frozen=True):
    """Those that are at hand."""

    token: str | None = None
    signing: str | None = None
    """The signing key, of SignalWire's dialects."""
    shared: Mapping[str, str] = {}
    """Id → secret."""
    secrets: tuple[str, ...] = ()
    """whsec_…, of the account-wide URL."""

    def __bool__(self) -> bool:
        return bool(self.token or self.signing or self.shared or self.secrets)

    def __repr__(self) -> str:
        return f"Keys(shared={list(self.shared)})"

    def or_those_of(self, account: Account) -> "Keys":
        """Where there is none of a kind, the account's."""
        options = account.callbacks
        return Keys(
            self.token or account.auth_token,
            self.signing or account.signing_key or account.auth_token,
            self.shared or {key.id: key.secret for key in options.shared_keys},
            self.secrets or options.secrets,
        )


def objection(received: Received, keys: Keys) -> str | None:
    """Why the callback's signature is not to be trusted; None where one of the keys made it."""
    if "webhook-signature" in received.headers:
        return _objection_to_webhook(received, keys.secrets)
    if "x-signalwire-signature" in received.headers:
        return _objection_to_signalwire(received, keys.signing)
    if not received.signature:
        return "SIGNATURE MISSING"
    settings = dict(
        pair.partition("=")[::2]
        for pair in received.headers.get("x-twilio-webhooks-signature-settings", "").split(",")
    )
    name = settings.get("key")
    key = keys.shared.get(name) if name else keys.token
    if key is None:
        return f"SIGNED WITH {name or 'AN AUTH TOKEN'}, WHICH IS NOT GIVEN"
    expected = twilio_signature(key, received.url, _signed_params(received), "sha256" if name else "sha1")
    if not _same(received.signature, expected):
        return "SIGNATURE WRONG"
    return _objection_to_body(received)


def _objection_to_signalwire(received: Received, key: str | None) -> str | None:
    """Hex signs URL and body; base64 the parameters of the compatibility API, and its JSON through the URL."""
    if key is None:
        return "SIGNED WITH A SIGNING KEY, WHICH IS NOT GIVEN"
    sent = received.headers["x-signalwire-signature"]
    if _same(sent, signalwire_signature(key, received.url, received.body)):
        return None
    if not _same(sent, signalwire_form_signature(key, received.url, _signed_params(received))):
        return "SIGNATURE WRONG"
    return _objection_to_body(received)


def _signed_params(received: Received) -> Params:
    """Those that a signature has beside the URL: of a form."""
    return received.params if received.method == "POST" and not _is_json(received) else []


def _objection_to_body(received: Received) -> str | None:
    """JSON is signed by its hash in the URL."""
    if _is_json(received) and body_sha256(received.body) not in urlsplit(received.url).query.split("&"):
        return "BODY NOT THE ONE THAT WAS SIGNED"
    return None


def _objection_to_webhook(received: Received, secrets: tuple[str, ...]) -> str | None:
    """By Standard Webhooks 1.0: one of the signatures that were sent has to be right."""
    if not secrets:
        return "SIGNED WITH A SECRET (whsec_…) THAT IS NOT GIVEN"
    event, at = received.headers.get("webhook-id", ""), received.headers.get("webhook-timestamp", "")
    if not _SECONDS(at):
        return "SIGNATURE WITHOUT ITS TIME"
    expected = [webhook_signature(secret, event, int(at), received.body) for secret in secrets]
    sent = received.headers["webhook-signature"].split(" ")
    return None if any(_same(one, other) for one in sent for other in expected) else "SIGNATURE WRONG"


def _is_json(received: Received) -> bool:
    return received.headers.get("content-type", "").startswith("application/json")


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
