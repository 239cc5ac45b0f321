"""What a callback looks like on the wire: by the dialect its message was made in, or, account-wide, by our own.

`round` calls `compose` for every attempt, so a rotated key or a redacted text is seen by the next one; `explain`
reads what was composed off the kept attempt.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from tidings.callbacks.attempt import Telling
from tidings.callbacks.exchange import Method, Request
from tidings.callbacks.host import host_of
from tidings.callbacks.signing import (
    Params,
    body_sha256,
    extended,
    idempotency_token,
    signalwire_form_signature,
    signalwire_signature,
    twilio_signature,
    webhook_signature,
)
from tidings.callbacks.url import InvalidUrl, Url, parse_url
from tidings.clock import SECOND
from tidings.dialects import own, signalwire_compat, signalwire_relay, signalwire_rest, twilio
from tidings.lifecycle import Status
from tidings.model import Account, CallbackOptions, Event, Message, Target

FORM: Final = (b"Content-Type", b"application/x-www-form-urlencoded; charset=UTF-8")
JSON: Final = (b"Content-Type", b"application/json; charset=utf-8")

SCRIPT_HOST: Final = "script:"
"""The lane of documents that are here already."""
SIGNALWIRE: Final = b"X-SignalWire-Signature"

Header = tuple[bytes, bytes]
Sign = Callable[[str, Params], tuple[Header, ...]]
"""The headers that sign a URL and parameters."""


def tells(message: Message, event: Event) -> bool:
    """Whether the application is to be told of `event`: it asked to be, and its dialect tells of such events."""
    return message.callback_url is not None and _TELLS[message.dialect](event)


def beside(message: Message, event: Event) -> Iterator[tuple[Target, str]]:
    """Who else is told of `event`, and where that stands in lanes: whoever answers inbound messages, and RELAY."""
    extras = message.extras
    context = extras.get("context")
    if context is not None and message.dialect == signalwire_relay.NAME and signalwire_relay.tells(event):
        yield Target.RELAY, relay_host(message.account, context)
    webhook = extras.get("webhook")
    if webhook is not None and event.moved and event.status is Status.RECEIVED:
        url = webhook.get("url")
        if url is None:
            yield Target.WEBHOOK, SCRIPT_HOST
        elif (host := host_of(url)) is not None:
            # Apart from status callbacks to that host: while it is down there may be a fallback URL to ask.
            yield Target.WEBHOOK, f"webhook:{host}"


def relay_host(account: str, context: str) -> str:
    """The host of a lane that is an account's RELAY context: others may have one of that name."""
    return f"relay:{account}:{context}"


def compose(telling: Telling, *, previous: bool = False) -> Request:
    """The signed request that tells of an event.

    With `previous` it is signed with the auth token that the account rotated away, where auth tokens sign at all.
    Raises InvalidUrl where there is no URL to call (any more).
    """
    if telling.target is Target.ACCOUNT:
        return _account_wide(telling)
    return _DIALECTS[telling.message.dialect](telling, previous)


def _twilio(telling: Telling, previous: bool) -> Request:
    params = twilio.callback_params(telling.message, telling.event)
    return _with_params(telling, previous, params, dict)


def _compat(telling: Telling, previous: bool) -> Request:
    """What SignalWire's specification leaves open for a form is open to our extensions; its JSON is closed."""
    message, event = telling.message, telling.event
    params = signalwire_compat.callback_params(message, event)
    return _with_params(telling, previous, params, lambda _: signalwire_compat.callback_json(message, event))


def _with_params(
    telling: Telling, previous: bool, params: Params, in_json: Callable[[Params], dict[str, Any]]
) -> Request:
    message, event, account = telling.message, telling.event, telling.account
    if account.callbacks.numbered:
        params = [*params, *twilio.extensions(event)]
    sign, token = signer(message.dialect, account, previous), event_token(message, event)
    return parametric(account.callbacks, _url(message.callback_url), params, in_json, sign, token)


def parametric(
    options: CallbackOptions,
    url: Url,
    params: Params,
    in_json: Callable[[Params], dict[str, Any]],
    sign: Sign,
    token: Header,
) -> Request:
    """Parameters as an account wants them: a form, JSON, or a query. What is no form is signed through its URL."""
    if options.method == "POST" and options.format == "form":
        return Request("POST", url, (FORM, *sign(url.text, params), token), _form(params).encode())
    content: tuple[Header, ...] = ()
    body = b""
    if options.method == "GET":
        query = urlencode(params, quote_via=quote)  # %20 is a space wherever it stands, + only in a form
    else:
        content, body = (JSON,), msgspec.json.encode(in_json(params))
        query = body_sha256(body)
    url = _extended(url, query)
    return Request(options.method, url, (*content, *sign(url.text, ()), token), body)


def _rest(telling: Telling, previous: bool) -> Request:
    """Also for RELAY's messages that were sent with a URL: SignalWire has one payload for both."""
    message, event = telling.message, telling.event
    body = msgspec.json.encode(signalwire_rest.callback_json(message, event))
    token = event_token(message, event)
    return signed_json("POST", _url(message.callback_url), (JSON, token), body, telling.account, previous)


def signed_json(
    method: Method, url: Url, headers: Sequence[Header], body: bytes, account: Account, previous: bool
) -> Request:
    """A request as SignalWire signs all that is no form: over its URL and its body."""
    signature = signalwire_signature(_signing_key(account, previous), url.text, body)
    return Request(method, url, (*headers, (SIGNALWIRE, signature.encode())), body)


def signer(dialect: str, account: Account, previous: bool) -> Sign:
    """How a dialect signs parameters; with `previous` by the auth token that was rotated away, where one signs."""
    if dialect == twilio.NAME:
        return partial(_twilio_signature, account, previous)
    key = _signing_key(account, previous)
    return lambda url, params: ((SIGNALWIRE, signalwire_form_signature(key, url, params).encode()),)


def _signing_key(account: Account, previous: bool) -> str:
    return account.signing_key or (account.previous_token if previous else None) or account.auth_token


def event_token(message: Message, event: Event, place: str = "") -> Header:
    """The same with every attempt at an event. SignalWire has no header for it: its dialects get one of ours.

    `place`: which request it is, where an event leads to several; "" is the first.
    """
    name = b"I-Twilio-Idempotency-Token" if message.dialect == twilio.NAME else b"Tidings-Idempotency-Token"
    told = f"{message.id}/{place}" if place else message.id
    return name, idempotency_token(told, event.number).encode()


def _twilio_signature(account: Account, previous: bool, url: str, params: Params) -> tuple[Header, ...]:
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


def _form(params: Params) -> str:
    """The parameters as a form. Names are the dialect's own, and safe."""
    if _PLAIN("".join([value for _, value in params])):
        # Ids, words and phone numbers, as nearly always: there is but one character to encode.
        return "&".join(map("=".join, params)).replace("+", "%2B")
    return urlencode(params)


_DIALECTS: Final[dict[str, Callable[[Telling, bool], Request]]] = {
    twilio.NAME: _twilio,
    signalwire_compat.NAME: _compat,
    signalwire_rest.NAME: _rest,
    signalwire_relay.NAME: _rest,
}
_TELLS: Final[dict[str, Callable[[Event], bool]]] = {
    twilio.NAME: twilio.tells,
    signalwire_compat.NAME: signalwire_compat.tells,
    signalwire_rest.NAME: signalwire_rest.tells,
    signalwire_relay.NAME: signalwire_rest.tells,
}
