"""MM7 both ways, against SOAP written by hand as different MMSCs write it."""

import xml.etree.ElementTree as ET
from email import message_from_bytes
from email.message import Message

import pytest

from tests.carriers.mm7.mmsc_peer import EVERY_BYTE, PICTURE, REL_5, REL_6, fault, settings, submission, submit_rsp
from tidings.carriers.base import Part
from tidings.carriers.mm7 import wire
from tidings.carriers.mm7.soap import Schema

# --- submissions


def children(element: ET.Element) -> list[str]:
    return [child.tag.rpartition("}")[2] for child in element]


def parts_of(message: Message) -> list[Message]:
    payload = message.get_payload()
    assert isinstance(payload, list)
    return [part for part in payload if isinstance(part, Message)]


@pytest.mark.parametrize("namespace", [REL_5, REL_6])
def test_a_submission_is_in_the_schema_s_own_order(namespace: str) -> None:
    """The standard library's parsers read it, which share no code with ours."""
    full = settings(vas_id="news", service_code="gold", namespace=namespace, version="5.3.0")
    kind, body = wire.submit_request(submission(validity=3600), full, "t-1")
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    envelope, content = parts_of(message)
    assert message.get_content_type() == "multipart/related"
    assert message.get_param("type") == "text/xml"
    assert message.get_param("start") == envelope["Content-ID"]
    document = envelope.get_payload(decode=True)
    assert isinstance(document, bytes)
    root = ET.fromstring(document)
    soap = "{http://schemas.xmlsoap.org/soap/envelope/}"
    transaction = root.find(f"{soap}Header/{{{namespace}}}TransactionID")
    assert transaction is not None
    assert transaction.text == "t-1"
    assert transaction.get(f"{soap}mustUnderstand") == "1"
    request = root.find(f"{soap}Body/{{{namespace}}}SubmitReq")
    assert request is not None
    assert children(request) == [
        "MM7Version", "SenderIdentification", "Recipients", "ServiceCode", "MessageClass", "ExpiryDate",
        "DeliveryReport", "Priority", "Content",
    ]  # fmt: skip
    ns = {"": namespace}
    assert request.findtext("MM7Version", namespaces=ns) == "5.3.0"
    assert request.findtext("SenderIdentification/VASPID", namespaces=ns) == "us"
    assert request.findtext("SenderIdentification/VASID", namespaces=ns) == "news"
    assert request.findtext("SenderIdentification/SenderAddress/Number", namespaces=ns) == "15005550006"
    assert request.findtext("Recipients/To/Number", namespaces=ns) == "15551230200"
    assert request.findtext("ServiceCode", namespaces=ns) == "gold"
    assert request.findtext("ExpiryDate", namespaces=ns) == "PT3600S"
    assert request.findtext("DeliveryReport", namespaces=ns) == "false"
    reference = request.find("Content", ns)
    assert reference is not None
    assert f"<{(reference.get('href') or '').removeprefix('cid:')}>" == content["Content-ID"]
    assert [part.get_content_type() for part in parts_of(content)] == ["text/plain", "image/jpeg"]


def test_what_is_not_set_is_not_said() -> None:
    _, body = wire.submit_request(submission(), settings(), "t-1")
    for name in (b"VASID", b"ServiceCode", b"ExpiryDate", b"Subject"):
        assert b"<" + name + b">" not in body


@pytest.mark.parametrize("encoding", ["binary", "base64"])
def test_text_and_media_come_out_as_they_went_in(encoding: str) -> None:
    media = (
        PICTURE,
        Part("audio/amr", b"#!AMR\n", ""),
        Part("text/vcard; charset=utf-8", b"BEGIN:VCARD", "a.vcf"),
    )
    chosen = settings(transfer_encoding=encoding)
    envelope = wire.read(*wire.submit_request(submission(media=media), chosen, "t-1"))
    assert (envelope.operation, envelope.transaction) == ("SubmitReq", "t-1")
    assert wire.content(envelope.leaves) == ("Grüße ☃", media)


def test_a_message_without_text_has_no_text_part() -> None:
    envelope = wire.read(*wire.submit_request(submission(text=""), settings(), "t-1"))
    assert wire.content(envelope.leaves) == ("", (PICTURE,))


def test_a_message_without_media_is_its_text() -> None:
    envelope = wire.read(*wire.submit_request(submission(media=()), settings(), "t-1"))
    assert wire.content(envelope.leaves) == ("Grüße ☃", ())


@pytest.mark.parametrize(
    ("sender", "plus", "written"),
    [
        ("+15005550006", False, b"<SenderAddress><Number>15005550006</Number></SenderAddress>"),
        ("+15005550006", True, b"<SenderAddress><Number>+15005550006</Number></SenderAddress>"),
        ("12345", False, b"<SenderAddress><ShortCode>12345</ShortCode></SenderAddress>"),
        ("A&B", False, b"<SenderAddress><ShortCode>A&amp;B</ShortCode></SenderAddress>"),
    ],
)
def test_senders_are_numbers_or_short_codes(sender: str, plus: bool, written: bytes) -> None:
    _, body = wire.submit_request(submission(sender=sender), settings(plus=plus), "t-1")
    assert written in body


# --- answers


SKT = f"""<?xml version="1.0" encoding="utf-8"?><env:Envelope
xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Header><mm7:TransactionID xmlns:mm7="{REL_5}"
env:mustUnderstand="1">t-1 </mm7:TransactionID></env:Header><env:Body><mm7:RSErrorRsp xmlns:mm7="{REL_5}">
<StatusText>ported</StatusText><MM7Version>5.3.0</MM7Version><StatusCode>6102</StatusCode></mm7:RSErrorRsp>
</env:Body></env:Envelope>"""
"""An error outside a fault and without Status around it: so answers SK Telecom."""

DETAILED = (
    "<Status><StatusCode>2004</StatusCode><StatusText>Refused</StatusText><Details>too red</Details></Status>"
)


@pytest.mark.parametrize(
    ("document", "operation", "status"),
    [
        (submit_rsp("t-1", 1000), "SubmitRsp", wire.Status(1000, "in so many words", "m-1", "")),
        (submit_rsp("t-1", 1000, "", REL_5), "SubmitRsp", wire.Status(1000, "in so many words", "", "")),
        (fault("t-1", "Client", DETAILED), "Fault", wire.Status(2004, "Refused: too red", "", "Client")),
        (fault("t-1", "Server"), "Fault", wire.Status(None, "it went wrong", "", "Server")),
        (SKT, "RSErrorRsp", wire.Status(6102, "ported", "", "")),
        (submit_rsp("t-1", 1000).replace(">1000<", "> 1e3 <"), "SubmitRsp",
         wire.Status(None, "in so many words", "m-1", "")),
    ],
)  # fmt: skip
def test_answers_are_read_however_they_are_written(document: str, operation: str, status: wire.Status) -> None:
    envelope = wire.read("text/xml; charset=utf-8", document.encode())
    assert (envelope.operation, envelope.transaction) == (operation, "t-1")
    assert wire.status(envelope) == status


def test_an_answer_may_come_as_a_multipart() -> None:
    body = f"--x\r\nContent-Type: text/xml\r\n\r\n{submit_rsp('t-1', 1000)}\r\n--x--\r\n".encode()
    envelope = wire.read('multipart/related; type="text/xml"; boundary=x', body)
    assert wire.status(envelope).code == 1000


def test_our_answers_and_refusals_are_read_back() -> None:
    schema = Schema(REL_5, "5.3.0")
    answered = wire.read("text/xml", wire.answer("DeliverRsp", "t<1", 1000, "a & b", schema))
    assert (answered.operation, answered.transaction) == ("DeliverRsp", "t<1")
    assert wire.status(answered) == wire.Status(1000, "a & b", "", "")
    refused = wire.read("text/xml", wire.refusal("VASPErrorRsp", "t-1", "Server", 4006, "later", schema))
    assert wire.status(refused) == wire.Status(4006, "later", "", "Server")
    assert refused.element.said("MM7Version") == "5.3.0"


# --- deliveries

DELIVERY = b"""------=_Part_139078
Content-Type: text/xml
Content-ID: <soap-start>

<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/" xmlns=
"http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-4">
<soap-env:Header>
   <TransactionID soap-env:mustUnderstand="1">1000001</TransactionID>
</soap-env:Header>
<soap-env:Body>
   <DeliverReq>
      <MM7Version>6.8.0</MM7Version>
      <LinkedID>1000001</LinkedID>
      <Sender><Number>1617423433</Number></Sender>
      <Recipients>
         <To><Number displayOnly="false">111122</Number></To>
      </Recipients>
      <TimeStamp>2014-04-14T16:15:23.414Z</TimeStamp>
      <Priority>Normal</Priority>
      <Subject>Look</Subject>
      <Content href="cid:default.cid" allowAdaptations="true"/>
   </DeliverReq>
</soap-env:Body>
</soap-env:Envelope>

------=_Part_139078
Content-Type: multipart/mixed;
        boundary="----=_Part_139079"
Content-ID: <default.cid>

------=_Part_139079
Content-Type: application/smil
Content-ID: <smil>

<smil><body/></smil>
------=_Part_139079
Content-Type: image/jpeg
Content-Transfer-Encoding: binary
Content-ID: image_0.jpg
Content-Location: image_0.jpg

@PICTURE@
------=_Part_139079
Content-Type: text/plain
Content-Transfer-Encoding: binary
Content-ID: text_0.txt

Test MO message!
------=_Part_139079
Content-Type: text/plain; charset=iso-8859-1

caf\xe9
------=_Part_139079--

------=_Part_139078--
""".replace(b"\n", b"\r\n").replace(b"@PICTURE@", EVERY_BYTE)
"""As Sinch delivers: the start is named without its brackets."""
KIND = 'multipart/related; start="soap-start"; type="text/xml";\tboundary="----=_Part_139078"'


def test_a_delivery_is_taken_apart() -> None:
    envelope = wire.read(KIND, DELIVERY)
    assert (envelope.operation, envelope.transaction) == ("DeliverReq", "1000001")
    assert wire.address(envelope.element.child("Sender")) == "1617423433"
    assert wire.recipients(envelope) == ["111122"]
    words, parts = wire.content(envelope.leaves)
    assert words == "Test MO message!\ncafé"
    assert parts == (Part("image/jpeg", EVERY_BYTE, "image_0.jpg"),)


def test_the_envelope_is_found_without_a_start_and_in_any_place() -> None:
    envelope, content = (
        b"Content-Type: application/xml\r\n\r\n<Envelope><Body><DeliverReq/></Body></Envelope>",
        b"\r\nhi",
    )
    body = b"\r\n".join([b"--x", content, b"--x", envelope, b"--x--"])
    read = wire.read("multipart/related; boundary=x", body)
    assert read.operation == "DeliverReq"
    assert wire.content(read.leaves) == ("hi", ())


@pytest.mark.parametrize(
    ("recipients", "found"),
    [
        ("<To><Number>1</Number></To>", ["1"]),
        ("<To><ShortCode>2</ShortCode><Number>3</Number></To><Cc><Number>4</Number></Cc>", ["2", "3", "4"]),
        ('<To><Number displayOnly="true">1</Number><Number>2</Number></To>', ["2"]),
        ("<To><RFC2822Address>a@b.c</RFC2822Address></To>", ["a@b.c"]),
        ("<To>+1555</To>", ["+1555"]),  # REL-5-MM7-1-0
        ("<To><Number> +1555/TYPE=PLMN </Number></To>", ["+1555"]),
        ("<To><Number>1</Number><Number>1</Number></To>", ["1"]),
        ("<To><Number></Number></To>", []),
        ("", []),
    ],
)
def test_recipients_are_those_it_was_delivered_for(recipients: str, found: list[str]) -> None:
    body = f"<Envelope><Body><DeliverReq><Recipients>{recipients}</Recipients></DeliverReq></Body></Envelope>"
    assert wire.recipients(wire.read("text/xml", body.encode())) == found


def test_a_delivery_that_names_nobody_has_no_recipients() -> None:
    assert wire.recipients(wire.read("text/xml", b"<Envelope><Body><DeliverReq/></Body></Envelope>")) == []


@pytest.mark.parametrize(
    ("head", "content", "text"),
    [
        ("charset=utf-8", "snö".encode(), "snö"),
        ("charset=utf-16", "snö".encode("utf-16"), "snö"),
        ("charset=us-ascii", "snö".encode(), "snö"),  # wrong, and seen
        ("charset=no-such", "snö".encode("latin-1"), "snö"),
        ("charset=base64", b"aaaa", "aaaa"),  # a codec of Python's, but no charset
        ("format=flowed", "\ufeffsnö".encode(), "snö"),
    ],
)
def test_text_is_read_in_whatever_it_was_written(head: str, content: bytes, text: str) -> None:
    part = f"Content-Type: text/plain; {head}\r\n\r\n".encode() + content
    envelope = b"Content-Type: text/xml\r\n\r\n<Envelope><Body><DeliverReq/></Body></Envelope>"
    body = b"\r\n".join([b"--x", envelope, b"--x", part, b"--x--"])
    assert wire.content(wire.read("multipart/related; boundary=x", body).leaves)[0] == text


def test_a_simulated_delivery_is_read_back() -> None:
    given = wire.deliver_request("+15551230000", "12345", "A & B", "hi", [PICTURE], "t-1", Schema())
    envelope = wire.read(*given)
    assert wire.address(envelope.element.child("Sender")) == "15551230000"
    assert wire.recipients(envelope) == ["12345"]
    assert envelope.element.said("Subject") == "A & B"
    assert wire.content(envelope.leaves) == ("hi", (PICTURE,))
