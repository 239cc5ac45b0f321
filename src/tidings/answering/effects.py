"""What a document that answers an inbound message may ask for, and what it is told in return.

Interpreters (`dialects.markup` for TwiML and cXML, `dialects.swml`) are generators: they yield effects, are sent
results, and do no I/O; `conversation` performs what they ask. So a document's meaning is tested without a socket.
"""

from collections.abc import Generator
from typing import Any, Literal

import msgspec

from tidings.callbacks.exchange import Method


class FetchDocument(msgspec.Struct, frozen=True):
    """Ask a URL for another document (`<Redirect>`, `<Message action>`, SWML `transfer`, `execute` of a URL).

    Its result is `Document`; a document that cannot be had ends the conversation.
    """

    url: str
    """As it stands in the document: absolute, or relative to where that came from."""
    method: Method = "POST"
    params: tuple[tuple[str, str], ...] = ()
    """Markup: to go with those that describe the inbound message, in place of the ones with the same names."""
    body: bytes | None = None
    """SWML: the whole JSON that is sent, except by GET; None: a form is."""


class Call(msgspec.Struct, frozen=True):
    """SWML's `request`: any HTTP request; its result is `Called`."""

    url: str
    method: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout: float
    """Seconds."""


class Reply(msgspec.Struct, frozen=True):
    """Send a message; its result is `Replied`."""

    body: str
    media: tuple[str, ...] = ()
    recipient: str | None = None
    """None: whoever sent the inbound message."""
    sender: str | None = None
    """None: the number it came to."""
    callback_url: str | None = None
    """As it stands in the document, like the URLs of `media`; nothing is checked yet."""
    tags: tuple[str, ...] = ()
    region: str | None = None


class Note(msgspec.Struct, frozen=True):
    """Something that was not done, for people; it becomes part of what is kept of the conversation. No result."""

    code: int
    text: str


Effect = FetchDocument | Call | Reply | Note


class Document(msgspec.Struct, frozen=True):
    url: str
    """Where it was asked for: relative URLs in it start there."""
    content_type: str
    """Without parameters, lower case; "" where there was none."""
    content: bytes


class Called(msgspec.Struct, frozen=True):
    status: int
    """HTTP status; 0 where there was no answer."""
    headers: tuple[tuple[str, str], ...]
    content: bytes
    failure: str
    """Why there was no answer; "" where there was one."""
    timed_out: bool = False
    """Whether there was none within the timeout."""


class Replied(msgspec.Struct, frozen=True):
    message_id: str | None
    """32 hex digits; None where it was refused."""
    error: int | None
    """Twilio's code of the refusal."""


Result = Document | Called | Replied | None
Script = Generator[Effect, Any, None]
"""Yields effects and is sent the `Result` of each. Raises `Unusable` for what it cannot make sense of."""


class Unusable(Exception):
    """A document that is none of its kind, or goes beyond a limit: asked again it would say the same.

    It may come after effects: what a document leads to (`FetchDocument`), and where SWML goes, shows as it runs.
    """

    def __init__(self, code: int, text: str, word: str = "") -> None:
        super().__init__(text)
        self.code = code
        """Twilio's debugger code (12100 …)."""
        self.word = word
        """SignalWire's name for it (`swml_invalid_document` …), which the text begins with; "" in markup."""


class Inbound(msgspec.Struct, frozen=True):
    """The inbound message, as interpreters may show it to the document."""

    message_id: str
    account: str
    sender: str
    recipient: str
    body: str
    channel: Literal["sms", "mms"]
    media: tuple[tuple[str, str, int], ...]
    """(URL, content type, bytes)."""
    segments: int
    received_at: int
    service: str | None = None
    """The service that the number is in."""
    opt_out: str | None = None
    """How it was read where its service has keywords of its own: STOP, START or HELP."""
