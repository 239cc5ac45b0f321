"""What a callback looks like on the wire, by the dialect its message was made in: one function each, in one table.

The delivery room calls `compose` for every attempt, so a rotated key or a redacted text is seen by the next one.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

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


_PLAIN: Final = re.compile(r"[A-Za-z0-9\-._~+]*").fullmatch


def _form(params: list[tuple[str, str]]) -> str:
    """The parameters as a form. Names are the dialect's own, and safe."""
    if _PLAIN("".join([value for _, value in params])):
        # Ids, words and phone numbers, as nearly always: there is but one character to encode.
        return "&".join([f"{name}={value}" for name, value in params]).replace("+", "%2B")
    return urlencode(params)


_FORMS: Final[dict[str, Callable[[Message, Event, Account], Request]]] = {twilio.NAME: _twilio}
_TELLS: Final[dict[str, Callable[[Event], bool]]] = {twilio.NAME: twilio.tells}


def tells(message: Message, event: Event) -> bool:
    """Whether the application is to be told of `event`: it asked to be, and its dialect tells of such events."""
    return message.callback_url is not None and _TELLS[message.dialect](event)


def compose(message: Message, event: Event, account: Account) -> Request:
    """The signed request that tells of `event`."""
    return _FORMS[message.dialect](message, event, account)
