"""The XML that answers an inbound message: Twilio's TwiML and SignalWire's cXML, run verb by verb.

`conversation` drives `run`. Both vendors have the same verbs; where they part, a `Flavour` says so. Whatever is
wrong with one verb or attribute becomes a `Note`, and the rest is done.
Sources: Twilio, "TwiML Message: <Message>", "TwiML for Programmable Messaging", error dictionary 121xx and 141xx;
SignalWire, "cXML reference, Messaging" and "Common webhook errors".
"""

from collections.abc import Callable, Generator, Iterator
from typing import Any, Final, Literal
from xml.parsers import expat

import msgspec

from tidings import text
from tidings.answering.effects import (
    Document,
    Effect,
    FetchDocument,
    Inbound,
    Note,
    Replied,
    Reply,
    Script,
    Unusable,
)
from tidings.dialects.signalwire import COMPAT
from tidings.dialects.signalwire_compat_errors import number
from tidings.dialects.twilio import NAME as TWILIO
from tidings.ids import sid

MAX_MEDIA: Final = 10
""""The maximum number of <Media> … is 10" (Twilio); "a maximum of 10 media URLs per message" (SignalWire)."""
MAX_BODY: Final = 1600
"""Characters of all text and `<Body>` of one message together (both vendors), counted as for the API."""
MAX_REPLIES: Final = 10
"""Messages in answer to one inbound message (Twilio 14109). SignalWire names no limit; it gets the same."""
MAX_DOCUMENTS: Final = 50
"""Documents in answer to one inbound message, the first one included (Twilio 14106)."""
MAX_NOTES: Final = 10
"""Of one document: enough to mend it by, however much is wrong."""

_XML_TYPES: Final = frozenset({"text/xml", "application/xml", "text/html"})
"""What is read as XML (Twilio, "Twilio understands MIME types")."""
_VERSIONS: Final = frozenset({"2008-08-01", "2010-04-01"})
"""Of Twilio's API; any other in `<Response version>` is 12101."""
_MESSAGE_ATTRIBUTES: Final = frozenset({"to", "from", "action", "method", "statusCallback"})
_OF_VOICE: Final = frozenset(
    {"Connect", "Dial", "Echo", "Enqueue", "Gather", "Hangup", "Leave", "Pause", "Pay", "Play", "Prompt"}
    | {"Queue", "Record", "Refer", "Reject", "Say", "Start", "Stop"}
)
"""Verbs that TwiML has, though not for messages: 14110 and not 12200."""
_WRONG: Final = frozenset({14, 21})
"""The thousands of the codes that say: what the message was asked for is not right."""
_DEEPEST: Final = 4
"""Response, Message, Body, and what must not be in there: nothing below is looked at."""


class Flavour(msgspec.Struct, frozen=True):
    """How one vendor reads a document."""

    senders: frozenset[str]
    """The verbs that send a message."""
    strict: bool
    """Whether an element it does not know spoils the whole document (12200); otherwise it is passed over."""
    plain_text: bool
    """Whether an answer of type text/plain is a reply."""
    silence: bool
    """Whether an answer with neither content nor type (204) is one, and sends nothing."""
    action_tells: bool
    """Whether `action` also is the URL for the message's status, where there is no `statusCallback`."""
    names_reply: bool
    """Whether the request to `action` has the reply's `MessageSid`; otherwise the inbound message's stays."""
    number: Callable[[int], int]
    """Its own number for one of Twilio's codes."""
    no_body: int
    """Code of a message without text and media."""
    long_body: int
    """Code of a message with more than `MAX_BODY` characters."""


FLAVOURS: Final[dict[str, Flavour]] = {
    TWILIO: Flavour(
        senders=frozenset({"Message", "Sms"}),
        strict=False,
        plain_text=True,
        silence=True,
        action_tells=True,
        names_reply=True,
        number=int,
        no_body=14103,
        long_body=14103,
    ),
    COMPAT: Flavour(
        senders=frozenset({"Message"}),
        strict=True,
        plain_text=False,
        silence=False,
        action_tells=False,
        names_reply=False,
        number=number,
        no_body=21602,
        long_body=21617,
    ),
}
"""By dialect."""


class Send(msgspec.Struct, frozen=True):
    """`<Message>`. URLs are as they stand in the document."""

    body: str
    media: tuple[str, ...] = ()
    sender: str | None = None
    recipient: str | None = None
    status_callback: str | None = None
    action: str | None = None
    method: Literal["GET", "POST"] = "POST"
    """Of the request to `action`."""


class Redirect(msgspec.Struct, frozen=True):
    """`<Redirect>`: what another URL answers takes the place of the rest."""

    url: str
    method: Literal["GET", "POST"]


Verb = Send | Redirect


def run(document: Document, inbound: Inbound, flavour: Flavour) -> Script:
    """Do what `document` says in answer to `inbound`, and what the documents say that it leads to.

    Raises Unusable: 12100 not XML, 12101 and 12102 not TwiML, 12200 a verb that a strict flavour does not know,
    12300 wrong content type. A reply goes back the way `inbound` came unless its verb says otherwise, so nothing
    of `inbound` is needed here.
    """
    documents, replies = 1, 0
    follows_up = False
    while True:
        verbs, notes = _read(document, flavour, follows_up=follows_up)
        yield from notes
        next_one: FetchDocument | None = None
        for verb in verbs:
            follows_up = isinstance(verb, Send)
            if isinstance(verb, Redirect):
                next_one = FetchDocument(verb.url, verb.method)
                break
            if replies == MAX_REPLIES:
                yield Note(14109, f"No more than {MAX_REPLIES} replies are sent; the rest is left undone")
                return
            replies += 1
            replied = yield from _send(verb, flavour)
            if verb.action:
                next_one = FetchDocument(verb.action, verb.method, _action_params(verb, replied, flavour))
                break
        if next_one is None:
            return
        if documents == MAX_DOCUMENTS:
            yield Note(14106, f"No more than {MAX_DOCUMENTS} documents are asked for; {next_one.url} was not")
            return
        documents += 1
        document = yield next_one


def _send(verb: Send, flavour: Flavour) -> Generator[Effect, Any, Replied]:
    if not (verb.body or verb.media):
        code, why = flavour.no_body, "A message without text and media is not sent"
    elif len(verb.media) > MAX_MEDIA:
        code, why = 21623, f"A message with {len(verb.media)} media is not sent; {MAX_MEDIA} are allowed"
    elif text.length(verb.body) > MAX_BODY:
        code, why = flavour.long_body, f"A text of more than {MAX_BODY} characters is not sent"
    else:
        callback = verb.status_callback or (verb.action if flavour.action_tells else None)
        replied: Replied = yield Reply(verb.body, verb.media, verb.recipient, verb.sender, callback)
        return replied
    yield Note(code, why)
    return Replied(None, code)


def _action_params(verb: Send, replied: Replied, flavour: Flavour) -> tuple[tuple[str, str], ...]:
    """What the request to `action` says of the reply, beside the parameters of the inbound message.

    `MessageStatus` is `sending` where the reply was taken, `invalid` where what it was asked for was wrong, and
    `failed` otherwise (SignalWire's three; Twilio has the first two in its example).
    """
    params: list[tuple[str, str]] = []
    if replied.message_id is None:
        status = "invalid" if (replied.error or 0) // 1000 in _WRONG else "failed"
    else:
        status = "sending"
        if flavour.names_reply:
            own = sid("MM" if verb.media else "SM", replied.message_id)
            params += [(name, own) for name in ("MessageSid", "SmsSid", "SmsMessageSid")]
    params.append(("MessageStatus", status))
    if flavour.names_reply:
        params.append(("SmsStatus", status))
    if replied.error is not None:
        params.append(("ErrorCode", str(flavour.number(replied.error))))
    return tuple(params)


def _read(document: Document, flavour: Flavour, *, follows_up: bool) -> tuple[list[Verb], list[Note]]:
    """The verbs of a document, and what was passed over in it.

    What `action` answers is often written for a status callback: only XML goes on, so that nobody gets an "OK".
    """
    kind = document.content_type
    if not document.content.strip():
        if follows_up or (flavour.silence and kind in ("", "text/plain")):
            return [], []
        raise Unusable(12100, "The document is empty; <Response/> is what sends nothing")
    if kind in _XML_TYPES:
        reader = _Reader(flavour)
        return list(reader.verbs(_parse(document.content))), reader.notes[:MAX_NOTES]
    if follows_up:
        return [], [Note(12300, f"What {document.url} answered as {kind or 'no type'} is no XML: nothing follows")]
    if kind == "text/plain" and flavour.plain_text:
        return [Send(document.content.decode(errors="replace").strip())], []
    raise Unusable(12300, f"{kind or 'No type'} is not a content type for XML; text/xml is")


class _Element:
    """A bit of XML; a class of its own since it grows as it is read."""

    __slots__ = ("attributes", "line", "name", "parts")

    def __init__(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.name = name
        self.attributes = attributes
        self.line = line
        self.parts: list[str | _Element] = []

    @property
    def children(self) -> list["_Element"]:
        return [part for part in self.parts if isinstance(part, _Element)]

    @property
    def text(self) -> str:
        return "".join(part for part in self.parts if isinstance(part, str))


def _parse(content: bytes) -> _Element:
    """The root element. A document type is refused, and with it every entity: none can expand, none is fetched."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    above = _Element("", {}, 0)
    open_elements = [above]

    def begin(name: str, attributes: dict[str, str]) -> None:
        element = _Element(name, attributes, parser.CurrentLineNumber)
        if len(open_elements) <= _DEEPEST:
            open_elements[-1].parts.append(element)
        open_elements.append(element)

    def end(_: str) -> None:
        open_elements.pop()

    def say(data: str) -> None:
        open_elements[-1].parts.append(data)

    def refuse(*_: object) -> None:
        raise Unusable(12100, f"Line {parser.CurrentLineNumber}: a document type (<!DOCTYPE>) is not allowed")

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = say
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise Unusable(12100, f"The document is not well-formed XML: {error}") from None
    except (LookupError, ValueError) as error:
        raise Unusable(12100, f"The document's encoding is not one that is understood: {error}") from None
    return above.children[0]


class _Reader:
    """Makes verbs of elements, and notes of what cannot be one."""

    def __init__(self, flavour: Flavour) -> None:
        self._flavour = flavour
        self.notes: list[Note] = []

    def verbs(self, root: _Element) -> Iterator[Verb]:
        if root.name != "Response":
            raise Unusable(12102, f"The root element is <{root.name}>; it must be <Response>")
        version = self._attributes(root, frozenset({"version"})).get("version")
        if version is not None and version not in _VERSIONS:
            raise Unusable(12101, f"{version} is not a version of TwiML")
        if root.text.strip():
            self._note(12200, root, "text that is in no verb is not sent")
        for element in root.children:
            if element.name in self._flavour.senders:
                yield self._message(element)
            elif element.name == "Redirect":
                yield from self._redirect(element)
            else:
                self._pass_over(element, 14110 if element.name in _OF_VOICE else 12200)

    def _message(self, element: _Element) -> Send:
        given = self._attributes(element, _MESSAGE_ATTRIBUTES)
        laid_out = bool(element.children)
        said: list[str] = []
        media: list[str] = []
        for part in element.parts:
            if isinstance(part, str):
                said.append(part.strip() if laid_out else part)
            elif part.name == "Body":
                said.append(self._words(part))
            elif part.name == "Media":
                media.append(self._words(part).strip())
            else:
                self._pass_over(part, 12200)
        return Send(
            "".join(said).strip(),
            tuple(url for url in media if url),
            given.get("from"),
            given.get("to"),
            given.get("statusCallback"),
            given.get("action"),
            self._method(element, given),
        )

    def _redirect(self, element: _Element) -> Iterator[Redirect]:
        if url := self._words(element, frozenset({"method"})).strip():
            yield Redirect(url, self._method(element, element.attributes))
        else:
            self._note(11100, element, "<Redirect> names no URL")

    def _words(self, element: _Element, known: frozenset[str] = frozenset()) -> str:
        """The text of an element that holds nothing else."""
        self._attributes(element, known)
        for child in element.children:
            self._pass_over(child, 12200)
        return element.text

    def _attributes(self, element: _Element, known: frozenset[str]) -> dict[str, str]:
        """Those that are known and not empty."""
        for name in element.attributes:
            if name not in known and not name.startswith(("xmlns", "xml:", "xsi:")):
                self._note(12200, element, f"<{element.name}> has no attribute {name}")
        return {name: value for name in known if (value := element.attributes.get(name, "").strip())}

    def _method(self, element: _Element, given: dict[str, str]) -> Literal["GET", "POST"]:
        match given.get("method", "POST").upper():
            case "GET":
                return "GET"
            case "POST":
                return "POST"
        self._note(14104, element, f"{given['method']!r} is neither GET nor POST; POST is used")
        return "POST"

    def _pass_over(self, element: _Element, code: int) -> None:
        if self._flavour.strict:
            raise Unusable(12200, f"Line {element.line}: <{element.name}> cannot stand here (case matters)")
        self._note(code, element, f"<{element.name}> cannot stand here and is passed over (case matters)")

    def _note(self, code: int, element: _Element, words: str) -> None:
        self.notes.append(Note(code, f"Line {element.line}: {words}"))
