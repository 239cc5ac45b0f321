"""Deliveries from an MMSC: kept first, acknowledged after, and only from our MMSC."""

from base64 import b64encode

import pytest

from tests.carriers.mm7.mmsc_peer import PICTURE, REL_5, Kept, settings
from tidings.carriers.base import Part
from tidings.carriers.mm7 import wire
from tidings.carriers.mm7.inbox import Delivered, Inbox
from tidings.carriers.mm7.soap import Schema

NOON = 1_790_000_000_000_000


class Noon:
    def now(self) -> int:
        return NOON


def basic(user: str = "mmsc", password: str = "let me in") -> bytes:
    return b"Basic " + b64encode(f"{user}:{password}".encode())


def headers(content_type: str = "text/xml", authorization: bytes = basic()) -> dict[bytes, bytes]:
    return {b"content-type": content_type.encode(), b"authorization": authorization}


@pytest.fixture
def inbox(kept: Kept) -> Inbox:
    inbox = Inbox(settings(), Noon())
    inbox.sink = kept
    return inbox


def status(delivered: Delivered) -> tuple[str, str, int | None]:
    _, _, body = delivered
    envelope = wire.read("text/xml", body)
    return envelope.operation, envelope.transaction, wire.status(envelope).code


def delivery(*media: Part, text: str = "hi") -> tuple[str, bytes]:
    return wire.deliver_request("+15551230000", "+15005550006", "Look", text, media, "t-1", Schema())


async def test_a_delivery_is_kept_and_then_acknowledged(inbox: Inbox, kept: Kept) -> None:
    content_type, body = delivery(PICTURE, Part("audio/amr", b"#!AMR\n", "a.amr"))
    answer = await inbox.deliver(headers(content_type), body)
    assert (answer[0], answer[1]) == (200, [(b"content-type", b"text/xml; charset=utf-8")])
    assert status(answer) == ("DeliverRsp", "t-1", 1000)
    (message,) = kept.media
    assert message.carrier == "mms"
    assert message.received_at == NOON
    assert (message.source, message.destination) == ("15551230000", "15005550006")
    assert (message.subject, message.text) == ("Look", "hi")
    assert message.parts == (PICTURE, Part("audio/amr", b"#!AMR\n", "a.amr"))
    assert message.transaction == "t-1"
    assert message.raw == f"DeliverReq t-1; image/jpeg {len(PICTURE.content)} bytes; audio/amr 6 bytes"


async def test_what_is_not_kept_is_not_acknowledged(inbox: Inbox, kept: Kept) -> None:
    kept.failing = True
    content_type, body = delivery(PICTURE)
    answer = await inbox.deliver(headers(content_type), body)
    assert answer[0] == 500
    assert status(answer) == ("Fault", "t-1", 4006)
    kept.failing = False
    assert status(await inbox.deliver(headers(content_type), body)) == ("DeliverRsp", "t-1", 1000)


async def test_nothing_is_acknowledged_before_the_carrier_is_started() -> None:
    content_type, body = delivery(PICTURE)
    answer = await Inbox(settings(), Noon()).deliver(headers(content_type), body)
    assert status(answer) == ("Fault", "t-1", 4006)


@pytest.mark.parametrize(
    "authorization",
    [
        b"",
        basic(password="wrong"),
        basic(user="wrong"),
        basic(password=""),
        b"Bearer " + basic()[6:],
        b"Basic",
        b"Basic \xff",
        b64encode(b"mmsc:let me in"),
    ],
)
async def test_who_does_not_know_the_password_is_not_let_in(
    inbox: Inbox, kept: Kept, authorization: bytes
) -> None:
    content_type, body = delivery(PICTURE)
    assert not inbox.admits(headers(content_type, authorization))
    code, given, said = await inbox.deliver(headers(content_type, authorization), body)
    assert code == 401
    assert (b"www-authenticate", b'Basic realm="Tidings MM7", charset="UTF-8"') in given
    assert b"let me in" not in said
    assert kept.media == []


async def test_credentials_may_be_of_any_language(kept: Kept) -> None:
    inbox = Inbox(settings(inbound_user="ümmsc", inbound_password="p:ss"), Noon())
    assert inbox.admits({b"authorization": basic("ümmsc", "p:ss").replace(b"Basic", b"basic")})


def bare(operation: str, content: str = "", transaction: str = "t-1") -> bytes:
    return f"""<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Header>
<mm7:TransactionID xmlns:mm7="{REL_5}">{transaction}</mm7:TransactionID></env:Header><env:Body>
<mm7:{operation} xmlns:mm7="{REL_5}">{content}</mm7:{operation}></env:Body></env:Envelope>""".encode()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 4004),
        (b"garbage", 4004),
        (b"<html><body>hello</body></html>", 4004),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', 4004),
        (bare("DeliverReq"), 4004),
        (bare("DeliverReq", "<Sender><Number>1</Number></Sender>"), 4004),
        (bare("DeliverReq", "<Recipients><To><Number>1</Number></To></Recipients>"), 4004),
        (bare("SubmitReq"), 4003),
        (bare("NoSuchReq"), 4003),
    ],
)
async def test_what_cannot_be_a_delivery_is_refused(inbox: Inbox, kept: Kept, body: bytes, code: int) -> None:
    answer = await inbox.deliver(headers(), body)
    assert answer[0] == 500  # SOAP 1.1: faults are
    operation, _, said = status(answer)
    assert (operation, said) == ("Fault", code)
    assert kept.media == []


async def test_a_delivery_without_content_is_its_subject(inbox: Inbox, kept: Kept) -> None:
    whom = "<Sender><Number>1</Number></Sender><Recipients><To><Number>2</Number></To></Recipients>"
    answer = await inbox.deliver(headers(), bare("DeliverReq", f"{whom}<Subject>just this</Subject>"))
    assert status(answer) == ("DeliverRsp", "t-1", 1000)
    (message,) = kept.media
    assert (message.subject, message.text, message.parts) == ("just this", "", ())


async def test_each_recipient_of_ours_gets_it(inbox: Inbox, kept: Kept) -> None:
    whom = """<Sender><Number>1</Number></Sender><Recipients><To><Number>2</Number>
<Number displayOnly="true">3</Number></To><Cc><ShortCode>4</ShortCode></Cc></Recipients>"""
    await inbox.deliver(headers(), bare("DeliverReq", whom))
    assert [(message.destination, message.transaction) for message in kept.media] == [("2", "t-1"), ("4", "t-1")]


@pytest.mark.parametrize(
    ("request_", "response"), [("DeliveryReportReq", "DeliveryReportRsp"), ("ReadReplyReq", "ReadReplyRsp")]
)
async def test_reports_are_acknowledged_and_not_used(
    inbox: Inbox, kept: Kept, request_: str, response: str
) -> None:
    answer = await inbox.deliver(headers(), bare(request_, "<MMStatus>Retrieved</MMStatus>"))
    assert status(answer) == (response, "t-1", 1000)
    assert kept.media == []


async def test_answers_are_in_the_schema_of_the_settings(kept: Kept) -> None:
    inbox = Inbox(settings(namespace=REL_5, version="5.3.0"), Noon())
    inbox.sink = kept
    _, _, body = await inbox.deliver(headers(), bare("ReadReplyReq"))
    envelope = wire.read("text/xml", body)
    assert envelope.element.attributes["xmlns"] == REL_5
    assert envelope.element.said("MM7Version") == "5.3.0"
