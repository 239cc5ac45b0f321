"""MM7 (3GPP TS 23.140 §8.7) between its bytes and our words: submissions, deliveries, and the answers to both.

`carrier` writes SubmitReq and reads what comes back, `inbox` reads DeliverReq and answers it; the simulated MMSC
does the opposite of each. Pure: bytes in, structs out.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from tidings.carriers.base import Part, Submission
from tidings.carriers.mm7 import mime, soap
from tidings.carriers.mm7.mime import Leaf, TransferEncoding
from tidings.carriers.mm7.settings import Mm7Settings
from tidings.carriers.mm7.soap import Element, Schema, element, text
from tidings.carriers.smpp.segment import LONGEST_SHORT_CODE

TEXT: Final = "text/plain"
SMIL: Final = "application/smil"
"""How a handset would have the parts laid out; they stand for themselves."""
XML: Final = "text/xml; charset=utf-8"

SUCCESS: Final = 1000

_ENVELOPE: Final = "envelope@tidings"
_CONTENT: Final = "content@tidings"


class Envelope(msgspec.Struct, frozen=True):
    """One MM7 message of either side, in any version of the schema."""

    operation: str
    """The name of what its body holds: "SubmitReq", "DeliverRsp", "Fault" …"""
    transaction: str
    """"" where it names none."""
    element: Element
    leaves: tuple[Leaf, ...]
    """What came with it, in order."""


class Status(msgspec.Struct, frozen=True):
    """What an answer says of its request."""

    code: int | None
    """StatusCode; None where it gives none."""
    words: str
    """StatusText and Details, or the fault's own words."""
    message_id: str
    fault: str
    """The local faultcode of a SOAP fault ("Client", "Server" …), "" for any other answer."""


# --- reading


def read(content_type: str, body: bytes) -> Envelope:
    """An HTTP body as MM7: an envelope alone, or with parts beside it. Raises Malformed."""
    leaves = mime.leaves(content_type, body)
    if len(leaves) == 1:
        root = leaves[0]
    else:
        start = mime.bare_id(mime.parameter(content_type, "start"))
        root = next(
            (leaf for leaf in leaves if start and leaf.id == start),
            next((leaf for leaf in leaves if leaf.type in soap.CONTENT_TYPES), leaves[0]),
        )
    transaction, operation = soap.open_envelope(root.content)
    return Envelope(operation.name, transaction, operation, tuple(leaf for leaf in leaves if leaf is not root))


def status(envelope: Envelope) -> Status:
    """What an answer says, at any depth of it: faults wrap it, and some MMSCs leave out the Status around it."""
    said = envelope.element.said
    code = said("StatusCode")
    fault = envelope.operation == "Fault"
    words = [said("StatusText") or said("faultstring"), said("Details")]
    return Status(
        code=int(code) if code.isdecimal() and code.isascii() and len(code) < 6 else None,
        words=": ".join(word for word in words if word),
        message_id=said("MessageID"),
        # SOAP 1.1 §4.4.1: what follows a dot only makes the code more particular.
        fault=said("faultcode").rpartition(":")[2].partition(".")[0] if fault else "",
    )


def address(within: Element | None) -> str:
    """The first address in an element: of Number, ShortCode or RFC2822Address, or bare as in REL-5-MM7-1-0."""
    if within is None:
        return ""
    found = within.children[0] if within.children else within
    # As MM4 and some MMSCs write them: +15551230000/TYPE=PLMN
    return found.text.partition("/TYPE=")[0].strip()


def recipients(envelope: Envelope) -> list[str]:
    """Whom a message is for: those that are only to be displayed got it some other way."""
    listed = envelope.element.child("Recipients")
    groups = [group for group in listed.children if group.name in ("To", "Cc", "Bcc")] if listed else []
    each = [each for group in groups for each in group.children or [group]]
    meant = [address(one) for one in each if one.attributes.get("displayOnly", "") not in ("true", "1")]
    return list(dict.fromkeys(filter(None, meant)))


def content(leaves: Sequence[Leaf]) -> tuple[str, tuple[Part, ...]]:
    """(text, all else) of what came with an envelope."""
    texts = [_text(leaf) for leaf in leaves if leaf.type == TEXT]
    parts = tuple(_part(leaf) for leaf in leaves if leaf.type not in (TEXT, SMIL))
    return "\n".join(words for words in texts if words), parts


def _text(leaf: Leaf) -> str:
    for charset in (leaf.charset or "utf-8", "utf-8"):
        try:
            return leaf.content.decode(charset).removeprefix("\ufeff")
        except (LookupError, ValueError):
            continue
    return leaf.content.decode("latin-1")


def _part(leaf: Leaf) -> Part:
    kind = f"{leaf.type}; charset={leaf.charset}" if leaf.charset else leaf.type
    return Part(kind, leaf.content, leaf.name)


# --- writing


def submit_request(submission: Submission, settings: Mm7Settings, transaction: str) -> tuple[str, bytes]:
    """(Content-Type, body) of a SubmitReq. No delivery report is asked for: media messages end at `sent`."""
    sender = element(
        "SenderIdentification",
        text("VASPID", settings.vasp_id),
        text("VASID", settings.vas_id) if settings.vas_id else "",
        element("SenderAddress", spelled(submission.sender, settings.plus)),
    )
    # In the order of the schema (REL-6-MM7-1-4, submitReqType), which strict MMSCs insist on.
    request = (
        sender,
        element("Recipients", element("To", spelled(submission.recipient, settings.plus))),
        text("ServiceCode", settings.service_code) if settings.service_code else "",
        text("MessageClass", "Informational"),
        # A duration, not a date: it is none of the MMSC's clock.
        text("ExpiryDate", f"PT{submission.validity}S") if submission.validity else "",
        text("DeliveryReport", "false"),
        text("Priority", "Normal"),
        element("Content", href=f"cid:{_CONTENT}"),
    )
    envelope = _envelope("SubmitReq", transaction, settings.schema, *request)
    return _with_content(envelope, submission.text, submission.media, settings.transfer_encoding)


def deliver_request(
    source: str,
    destination: str,
    subject: str,
    words: str,
    media: Sequence[Part],
    transaction: str,
    schema: Schema,
) -> tuple[str, bytes]:
    """(Content-Type, body) of a DeliverReq, as an MMSC sends it. Addresses as E.164 or short codes."""
    request = (
        element("Sender", spelled(source)),
        element("Recipients", element("To", spelled(destination))),
        text("Priority", "Normal"),
        text("Subject", subject) if subject else "",
        element("Content", href=f"cid:{_CONTENT}"),
    )
    return _with_content(_envelope("DeliverReq", transaction, schema, *request), words, media, "binary")


def answer(operation: str, transaction: str, code: int, words: str, schema: Schema, *more: str) -> bytes:
    """The envelope of an answer: `more` elements stand behind its status."""
    return _envelope(operation, transaction, schema, _status(code, words), *more)


def refusal(operation: str, transaction: str, at_fault: str, code: int, words: str, schema: Schema) -> bytes:
    """The envelope of a SOAP fault around `operation`: VASPErrorRsp is ours to say, RSErrorRsp the MMSC's."""
    detail = _operation(operation, schema, _status(code, words))
    return soap.envelope(transaction, schema, soap.fault(at_fault, words, detail))


def spelled(number: str, plus: bool = False) -> str:
    """An address as MM7 writes it: Number for E.164, ShortCode for short codes and names."""
    digits = number.removeprefix("+")
    if digits.isdecimal() and len(digits) > LONGEST_SHORT_CODE:
        return text("Number", number if plus else digits)
    return text("ShortCode", number)


def _envelope(operation: str, transaction: str, schema: Schema, *children: str) -> bytes:
    return soap.envelope(transaction, schema, _operation(operation, schema, *children))


def _operation(name: str, schema: Schema, *children: str) -> str:
    return element(name, text("MM7Version", schema.version), *children, xmlns=schema.namespace)


def _status(code: int, words: str) -> str:
    return element("Status", text("StatusCode", code), text("StatusText", words))


def _with_content(
    envelope: bytes, words: str, media: Sequence[Part], encoding: TransferEncoding
) -> tuple[str, bytes]:
    """(Content-Type, body) of an envelope with its content beside it: a multipart of its own."""
    parts = [mime.part(f"{TEXT}; charset=utf-8", words.encode(), "text@tidings")] if words else []
    parts += [
        mime.part(each.content_type, each.content, f"media-{place}@tidings", each.name, encoding)
        for place, each in enumerate(media, 1)
    ]
    kind, body = mime.multipart("mixed", parts)
    beside = f"Content-Type: {kind}\r\nContent-ID: <{_CONTENT}>\r\n\r\n".encode() + body
    parameters = f'type="text/xml"; start="<{_ENVELOPE}>"; '
    return mime.multipart("related", [mime.part(XML, envelope, _ENVELOPE), beside], parameters)
