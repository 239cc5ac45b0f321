"""XML and SOAP: read whatever the prefixes, refused where it could do harm."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.carriers.mm7 import soap
from tidings.carriers.mm7.mime import Malformed
from tidings.carriers.mm7.soap import MAX_DEPTH, MAX_DOCUMENT, Schema, element, open_envelope, parse, text


def test_names_are_read_without_their_prefixes() -> None:
    root = parse(b'<a:b xmlns:a="urn:x" a:c="1"><d>  e<!-- no --> &amp; f </d><d>g</d></a:b>')
    assert (root.name, root.attributes["c"]) == ("b", "1")
    assert [child.text for child in root.children] == ["e & f", "g"]
    assert (root.said("d"), root.said("z"), root.child("z")) == ("e & f", "", None)


def test_a_prefix_that_is_not_declared_is_forgiven() -> None:
    assert parse(b"<x:a><x:b>1</x:b></x:a>").said("b") == "1"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_the_declared_encoding_counts(encoding: str) -> None:
    document = f'<?xml version="1.0" encoding="{encoding}"?><a>é</a>'.encode(encoding)
    assert parse(document).text == "é"


BOMB = b"""<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;">]><a>&c;</a>"""


@pytest.mark.parametrize(
    "document",
    [
        BOMB,
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<!DOCTYPE a><a/>",
        b"",
        b"a",
        b"<a>",
        b"<a/><a/>",
        b"<a>\x00</a>",
        b"<a>\xff</a>",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b"<a>&nbsp;</a>",
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<a>" + b" " * MAX_DOCUMENT + b"</a>",
    ],
)
def test_what_is_no_plain_xml_is_refused(document: bytes) -> None:
    with pytest.raises(Malformed):
        parse(document)


@given(st.binary())
def test_whatever_comes_is_xml_or_refused(document: bytes) -> None:
    with suppress(Malformed):
        parse(b"<a>" + document + b"</a>")


XML_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))


@given(XML_TEXT, XML_TEXT)
def test_an_envelope_that_was_written_is_read_back(transaction: str, words: str) -> None:
    schema = Schema("urn:a&b<\"'>", "1.2.3")
    body = element("SubmitRsp", text("StatusText", words), element("Content", href=words), xmlns=schema.namespace)
    read, operation = open_envelope(soap.envelope(transaction, schema, body))
    assert (read, operation.name, operation.said("StatusText")) == (
        transaction.strip(),
        "SubmitRsp",
        words.strip(),
    )
    content = operation.child("Content")
    assert content is not None
    assert content.attributes["href"] == words
    assert operation.attributes["xmlns"] == schema.namespace


@pytest.mark.parametrize(
    "document",
    [
        b"<html><body>Sorry</body></html>",
        b"<Envelope/>",
        b"<Envelope><Body/></Envelope>",
        b"<Envelope><Header><TransactionID>1</TransactionID></Header></Envelope>",
        b"<Wrong><Body><SubmitRsp/></Body></Wrong>",
    ],
)
def test_what_is_no_envelope_is_refused(document: bytes) -> None:
    with pytest.raises(Malformed):
        open_envelope(document)


def test_an_envelope_needs_no_header() -> None:
    assert open_envelope(b"<Envelope><Body><SubmitRsp/></Body></Envelope>")[0] == ""
