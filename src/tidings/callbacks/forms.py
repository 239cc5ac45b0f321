"""What a callback looks like on the wire: by the dialect its message was made in, or, account-wide, by our own.

`round` calls `compose` for every attempt, so a rotated key or a redacted text is seen by the next one; `explain`
reads what was composed off the kept attempt.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from tidings.callbacks.attempt import Telling
from tidings.callbacks.exchange import Request
from tidings.callbacks.signing import (
    Params,
    body_sha256,
    extended,
    idempotency_token,
    twilio_signature,
    webhook_signature,
)
from tidings.callbacks.url import InvalidUrl, Url, parse_url
from tidings.clock import SECOND
from tidings.dialects import own, twilio
from tidings.model import Account, Event, Message, Target

FORM: Final = (b"Content-Type", b"application/x-www-form-urlencoded; charset=UTF-8")
JSON: Final = (b"Content-Type", b"application/json; charset=utf-8")

Header = tuple[bytes, bytes]


def tells(message: Message, event: Event) -> bool:
    """Whether the application is to be told of `event`: it asked to be, and its dialect tells of such events."""
    return message.callback_url is not None and _TELLS[message.dialect](event)


def compose(telling: Telling, *, previous: bool = False) -> Request:
    """The signed request that tells of an event.

    With `previous` it is signed with the auth token that the account rotated away, where auth tokens sign at all.
    Raises InvalidUrl where there is no URL to call (any more).
    """
    if telling.target is Target.ACCOUNT:
        return _account_wide(telling)
    return _DIALECTS[telling.message.dialect](telling, previous)


def _twilio(telling: Telling, previous: bool) -> Request:
    message, event, account = telling.message, telling.event, telling.account
    options = account.callbacks
    params = twilio.callback_params(message, event)
    if options.numbered:
        params += twilio.extensions(event)
    url = _url(message.callback_url)
    token = (b"I-Twilio-Idempotency-Token", idempotency_token(message.id, event.number).encode())
    if options.method == "POST" and options.format == "form":
        headers = (FORM, *_signature(account, previous, url.text, params), token)
        return Request("POST", url, headers, _form(params).encode())
    content: tuple[Header, ...] = ()
    body = b""
    if options.method == "GET":
        query = urlencode(params, quote_via=quote)  # %20 is a space wherever it stands, + only in a form
    else:
        content, body = (JSON,), msgspec.json.encode(dict(params))
        query = body_sha256(body)
    url = _extended(url, query)
    signature = _signature(account, previous, url.text, ())
    return Request(options.method, url, (*content, *signature, token), body)


def _signature(account: Account, previous: bool, url: str, params: Params) -> tuple[Header, ...]:
    """The headers by which Twilio's validators know who called."""
    if shared := account.callbacks.shared_keys:
        key = shared[0]
        return (
            (b"X-Twilio-Signature", twilio_signature(key.secret, url, params, "sha256").encode()),
            (b"X-Twilio-Webhooks-Signature-Settings", f"key={key.id},algorithm=HMAC_SHA256".encode()),
        )
    token = (account.previous_token if previous else None) or account.auth_token
    return ((b"X-Twilio-Signature", twilio_signature(token, url, params).encode()),)


def _account_wide(telling: Telling) -> Request:
    """Standard Webhooks 1.0, all of the account's secrets signing."""
    message, event = telling.message, telling.event
    body = msgspec.json.encode(own.telling_json(message, event))
    token, at = idempotency_token(message.id, event.number), telling.at // SECOND
    signatures = [webhook_signature(secret, token, at, body) for secret in telling.account.callbacks.secrets]
    headers = (
        JSON,
        (b"webhook-id", token.encode()),
        (b"webhook-timestamp", str(at).encode()),
        (b"webhook-signature", " ".join(signatures).encode()),
    )
    return Request("POST", _url(telling.account.callbacks.url), headers, body)


def _url(configured: str | None) -> Url:
    if configured is None:
        raise InvalidUrl("there is no URL to call any more")
    return parse_url(configured)


def _extended(url: Url, query: str) -> Url:
    """`url` with more query; not parsed, as no two are alike and what we add does not count for `MAX_URL`."""
    target = extended(url.target, query)
    wire = target.encode() + url.wire[len(url.target) :]
    return msgspec.structs.replace(url, text=extended(url.text, query), target=target, wire=wire)


_PLAIN: Final = re.compile(r"[A-Za-z0-9\-._~+]*").fullmatch


def _form(params: list[tuple[str, str]]) -> str:
    """The parameters as a form. Names are the dialect's own, and safe."""
    if _PLAIN("".join([value for _, value in params])):
        # Ids, words and phone numbers, as nearly always: there is but one character to encode.
        return "&".join(map("=".join, params)).replace("+", "%2B")
    return urlencode(params)


_DIALECTS: Final[dict[str, Callable[[Telling, bool], Request]]] = {twilio.NAME: _twilio}
_TELLS: Final[dict[str, Callable[[Event], bool]]] = {twilio.NAME: twilio.tells}
