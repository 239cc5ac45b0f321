"""What a callback looks like on the wire, by the dialect its message was made in: one function each, in one table.

The delivery room calls `compose` for every attempt, so a rotated key or a redacted text is seen by the next one.
"""

from collections.abc import Callable
from typing import Final
from urllib.parse import quote_plus

from tidings.callbacks.exchange import Request
from tidings.callbacks.signing import idempotency_token, twilio_signature
from tidings.callbacks.url import parse_url
from tidings.dialects import twilio
from tidings.model import Account, Event, Message

FORM: Final = b"application/x-www-form-urlencoded; charset=UTF-8"


def _twilio(message: Message, event: Event, account: Account) -> Request:
    assert message.callback_url is not None, "a callback is owed only where a URL was given"
    params = twilio.callback_params(message, event)
    # The fragment holds connection overrides: neither sent nor signed (docs/callbacks.md).
    signed_url = message.callback_url.partition("#")[0]
    return Request(
        "POST",
        parse_url(message.callback_url),
        (
            (b"Content-Type", FORM),
            (b"X-Twilio-Signature", twilio_signature(account.auth_token, signed_url, params).encode()),
            (b"I-Twilio-Idempotency-Token", idempotency_token(message.id, event.number).encode()),
        ),
        _form(params).encode(),
    )


def _form(params: list[tuple[str, str]]) -> str:
    # Names are the dialect's own, and safe.
    return "&".join([f"{name}={_quote(value)}" for name, value in params])


def _quote(value: str) -> str:
    """Percent-encoded; most values are ids, words and phone numbers, which need no look at every character."""
    if value.isascii():
        if value.isalnum():
            return value
        if value.startswith("+") and value[1:].isalnum():
            return "%2B" + value[1:]
    return quote_plus(value)


_FORMS: Final[dict[str, Callable[[Message, Event, Account], Request]]] = {twilio.NAME: _twilio}
_TELLS: Final[dict[str, Callable[[Event], bool]]] = {twilio.NAME: twilio.tells}


def tells(message: Message, event: Event) -> bool:
    """Whether the application is to be told of `event`: it asked to be, and its dialect tells of such events."""
    return message.callback_url is not None and _TELLS[message.dialect](event)


def compose(message: Message, event: Event, account: Account) -> Request:
    """The signed request that tells of `event`."""
    return _FORMS[message.dialect](message, event, account)
