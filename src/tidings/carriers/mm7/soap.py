"""XML as MM7 needs it: a small safe reader, and SOAP 1.1 envelopes.

`wire` reads and writes MM7's elements with it. Names are read without their namespaces: operators' MMSCs differ in
the version of the schema, in prefixes, and in whether they declare them.
"""

from collections.abc import Iterator
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import msgspec

from tidings.carriers.mm7.mime import Malformed

NAMESPACE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
MM7: Final = "http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/"
"""What the namespaces of MM7's schemas begin with."""
CONTENT_TYPES: Final = frozenset({"text/xml", "application/xml", "application/soap+xml"})

MAX_DOCUMENT: Final = 256 * 1024
"""Octets of an envelope; one with a thousand recipients has less."""
MAX_DEPTH: Final = 32


class Schema(msgspec.Struct, frozen=True):
    """A version of MM7, as both sides name it."""

    namespace: str = MM7 + "REL-6-MM7-1-4"
    version: str = "6.8.0"


class Element:
    """`name` and the keys of `attributes` are local: without prefix."""

    __slots__ = ("attributes", "children", "name", "pieces")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Element] = []
        self.pieces: list[str] = []
        """Of its text."""

    @property
    def text(self) -> str:
        return "".join(self.pieces).strip()

    def child(self, name: str) -> "Element | None":
        return next((child for child in self.children if child.name == name), None)

    def within(self, name: str) -> "Iterator[Element]":
        """The elements of that name at any depth, in order."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.within(name)

    def said(self, name: str) -> str:
        """The text of the first element of that name at any depth, "" where there is none."""
        return next((element.text for element in self.within(name)), "")


# --- reading


def parse(document: bytes) -> Element:
    """The root of an XML document. Raises Malformed, also for any document type: what it declares could expand."""
    if len(document) > MAX_DOCUMENT:
        raise Malformed(f"an envelope longer than {MAX_DOCUMENT} octets")
    tree = _Tree()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.data
    try:
        parser.Parse(document.strip(), True)
    except (expat.ExpatError, LookupError) as error:
        raise Malformed(f"not XML: {error}") from None
    assert tree.root is not None, "expat has found a root, or raised"
    return tree.root


class _Tree:
    """What expat's handlers build."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) == MAX_DEPTH:
            raise Malformed(f"elements are nested more than {MAX_DEPTH} deep")
        element = Element(_local(name), {_local(key): value for key, value in attributes.items()})
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        self._open[-1].pieces.append(text)


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _refuse_doctype(*_: object) -> None:
    raise Malformed("XML with a document type is not read")


def open_envelope(document: bytes) -> tuple[str, Element]:
    """(TransactionID, what the body holds) of a SOAP envelope. Raises Malformed."""
    root = parse(document)
    body = root.child("Body")
    if root.name != "Envelope" or body is None or not body.children:
        raise Malformed("not a SOAP envelope with a body")
    header = root.child("Header")
    return (header.said("TransactionID") if header else ""), body.children[0]


# --- writing


def text(name: str, content: str | int) -> str:
    """An element with text in it."""
    return f"<{name}>{escape(str(content))}</{name}>"


def element(name: str, *children: str, **attributes: str) -> str:
    """An element with elements in it."""
    listed = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name}{listed}>{''.join(children)}</{name}>" if children else f"<{name}{listed}/>"


def envelope(transaction: str, schema: Schema, body: str) -> bytes:
    """A SOAP envelope in UTF-8, with the TransactionID in its header (TS 23.140 §8.7)."""
    declared = f"xmlns={quoteattr(schema.namespace)}"
    header = f'<TransactionID {declared} soap-env:mustUnderstand="1">{escape(transaction)}</TransactionID>'
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<soap-env:Envelope xmlns:soap-env="{NAMESPACE}">'
        f"<soap-env:Header>{header}</soap-env:Header><soap-env:Body>{body}</soap-env:Body></soap-env:Envelope>"
    ).encode()


def fault(at_fault: str, reason: str, detail: str) -> str:
    """The body of an envelope that refuses; `at_fault` is "Client" or "Server" (SOAP 1.1 §4.4)."""
    children = (text("faultcode", f"soap-env:{at_fault}"), text("faultstring", reason), element("detail", detail))
    return element("soap-env:Fault", *children)
