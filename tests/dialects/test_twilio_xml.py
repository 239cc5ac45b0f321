"""JSON into Twilio's XML. Whole documents are written after recorded answers of 2017, 2018 and 2020."""

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.dialects.twilio import error_json
from tidings.dialects.twilio_xml import document
from tidings.errors import Problem

DECLARATION = b"<?xml version='1.0' encoding='UTF-8'?>\n"
ACCOUNT = "/2010-04-01/Accounts/AC1"
MESSAGE: dict[str, Any] = {
    "account_sid": "AC1",
    "api_version": "2010-04-01",
    "body": "Hello.",
    "date_created": "Thu, 16 Jul 2020 20:39:49 +0000",
    "date_sent": None,
    "date_updated": "Thu, 16 Jul 2020 20:39:49 +0000",
    "direction": "outbound-api",
    "error_code": None,
    "error_message": None,
    "from": "+16505552222",
    "messaging_service_sid": None,
    "num_media": "0",
    "num_segments": "1",
    "price": None,
    "price_unit": "USD",
    "sid": "SM1",
    "status": "queued",
    "subresource_uris": {"media": f"{ACCOUNT}/Messages/SM1/Media.json"},
    "to": "+16504837603",
    "uri": f"{ACCOUNT}/Messages/SM1.json",
}
MESSAGE_XML = (
    "<Message><Sid>SM1</Sid><DateCreated>Thu, 16 Jul 2020 20:39:49 +0000</DateCreated>"
    "<DateUpdated>Thu, 16 Jul 2020 20:39:49 +0000</DateUpdated><DateSent/><AccountSid>AC1</AccountSid>"
    "<To>+16504837603</To><From>+16505552222</From><MessagingServiceSid/><Body>Hello.</Body>"
    "<Status>queued</Status><NumSegments>1</NumSegments><NumMedia>0</NumMedia><Direction>outbound-api</Direction>"
    "<ApiVersion>2010-04-01</ApiVersion><Price/><PriceUnit>USD</PriceUnit><ErrorCode/><ErrorMessage/>"
    "<Uri>/2010-04-01/Accounts/AC1/Messages/SM1</Uri><SubresourceUris>"
    "<Media>/2010-04-01/Accounts/AC1/Messages/SM1/Media</Media></SubresourceUris></Message>"
)


def body_of(noun: str, shown: dict[str, Any]) -> str:
    """What stands within the document's root."""
    written = document(noun, shown)
    start, end = DECLARATION + b"<TwilioResponse>", b"</TwilioResponse>"
    assert written.startswith(start)
    assert written.endswith(end)
    return written.removeprefix(start).removesuffix(end).decode()


def test_a_message_is_written_as_it_was_recorded() -> None:
    assert body_of("Message", MESSAGE) == MESSAGE_XML


def test_what_nobody_recorded_comes_before_the_uri() -> None:
    written = body_of("Message", MESSAGE | {"tags": "vip"})
    assert written == MESSAGE_XML.replace("<Uri>", "<Tags>vip</Tags><Uri>")


def test_a_list_is_an_element_with_its_paging_as_attributes() -> None:
    path = f"{ACCOUNT}/Messages.json?To=%2B16504837603&PageSize=1"
    page = {
        "messages": [MESSAGE],
        "page": 0,
        "page_size": 1,
        "start": 0,
        "end": 0,
        "uri": f"{path}&Page=0",
        "first_page_uri": f"{path}&Page=0",
        "next_page_uri": f"{path}&Page=1&PageToken=PASM1",
        "previous_page_uri": None,
    }
    written = "/2010-04-01/Accounts/AC1/Messages?To=%2B16504837603&amp;PageSize=1"
    assert body_of("Message", page) == (
        f'<Messages end="0" firstpageuri="{written}&amp;Page=0"'
        f' nextpageuri="{written}&amp;Page=1&amp;PageToken=PASM1" page="0" pagesize="1" previouspageuri=""'
        f' start="0" uri="{written}&amp;Page=0">{MESSAGE_XML}</Messages>'
    )


@pytest.mark.parametrize(
    ("key", "noun", "element"),
    [
        ("media_list", "Media", "MediaList"),
        ("incoming_phone_numbers", "IncomingPhoneNumber", "IncomingPhoneNumbers"),
        ("sms_messages", "SMSMessage", "SMSMessages"),
    ],
)
def test_a_list_is_called_as_in_json(key: str, noun: str, element: str) -> None:
    page = {key: [{"sid": "XX1"}], "first_page_uri": "/"}
    assert body_of(noun, page) == f'<{element} firstpageuri="/"><{noun}><Sid>XX1</Sid></{noun}></{element}>'
    assert body_of(noun, page | {key: []}) == f'<{element} firstpageuri="/"></{element}>'


def test_truth_emptiness_and_capabilities_are_written_as_recorded() -> None:
    number = {
        "api_version": "2010-04-01",
        "beta": False,
        "capabilities": {"voice": False, "sms": True, "mms": True},
        "friendly_name": "Front desk",
        "phone_number": "+15005550006",
        "sid": "PN1",
        "sms_url": "",
        "trunk_sid": None,
        "uri": f"{ACCOUNT}/IncomingPhoneNumbers/PN1.json",
    }
    assert body_of("IncomingPhoneNumber", number) == (
        "<IncomingPhoneNumber><Sid>PN1</Sid><FriendlyName>Front desk</FriendlyName>"
        "<PhoneNumber>+15005550006</PhoneNumber><SmsUrl></SmsUrl><Beta>false</Beta>"
        "<Capabilities><Voice>false</Voice><SMS>true</SMS><MMS>true</MMS></Capabilities>"
        "<ApiVersion>2010-04-01</ApiVersion><TrunkSid/>"
        "<Uri>/2010-04-01/Accounts/AC1/IncomingPhoneNumbers/PN1</Uri></IncomingPhoneNumber>"
    )


def test_a_resource_of_which_there_is_no_record_begins_with_its_sid_and_ends_with_its_uri() -> None:
    medium = {"account_sid": "AC1", "uri": "/Media/ME1.json", "content_type": "image/png", "sid": "ME1"}
    assert body_of("Media", medium) == (
        "<Media><Sid>ME1</Sid><AccountSid>AC1</AccountSid><ContentType>image/png</ContentType>"
        "<Uri>/Media/ME1</Uri></Media>"
    )


def test_an_error_is_a_rest_exception() -> None:
    problem = Problem(21211, value="<me & you>")
    words = problem.message.replace("<me & you>", "&lt;me &amp; you&gt;")
    assert body_of("RestException", error_json(problem)) == (
        f"<RestException><Code>21211</Code><Message>{words}</Message>"
        "<MoreInfo>https://www.twilio.com/docs/errors/21211</MoreInfo><Status>400</Status></RestException>"
    )


def test_who_is_not_let_in_is_told_why_in_detail() -> None:
    problem = Problem(20003, detail="No such token")
    assert body_of("RestException", error_json(problem)) == (
        f"<RestException><Code>20003</Code><Detail>No such token</Detail><Message>{problem.message}</Message>"
        "<MoreInfo>https://www.twilio.com/docs/errors/20003</MoreInfo><Status>401</Status></RestException>"
    )


def test_only_uris_lose_their_ending() -> None:
    shown = {
        "sid": "SM1",
        "body": "see report.json",
        "sms_url": "https://a.example/x.json",
        "uri": "/x.json?a=.json",
    }
    assert body_of("Any", shown) == (
        "<Any><Sid>SM1</Sid><Body>see report.json</Body><SmsUrl>https://a.example/x.json</SmsUrl>"
        "<Uri>/x?a=.json</Uri></Any>"
    )


def read(written: bytes) -> str:
    body = ElementTree.fromstring(written).find("Message/Body")
    assert body is not None
    return body.text or ""


SPEAKABLE = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], include_characters="\t\n\r", exclude_characters="\ufffe\uffff")
)


@given(SPEAKABLE)
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    assert read(document("Message", {"body": text})) == text


def test_line_ends_are_not_made_equal() -> None:
    assert read(document("Message", {"body": "a\r\nb\rc\nd"})) == "a\r\nb\rc\nd"


@given(st.text(st.characters()))
def test_whatever_stands_in_a_text_or_filter_the_document_can_be_read(text: str) -> None:
    assert len(read(document("Message", {"body": text}))) == len(text)
    page = {"messages": [], "first_page_uri": text}
    element = ElementTree.fromstring(document("Message", page))[0]
    assert len(element.attrib["firstpageuri"]) >= len(text) - len(".json")


@pytest.mark.parametrize("unspeakable", ["\x00", "\x07", "\x1b", "\x1f", "\ufffe", "\uffff", "\ud83d"])
def test_what_xml_cannot_carry_is_shown_to_have_been_there(unspeakable: str) -> None:
    assert read(document("Message", {"body": f"a{unspeakable}b"})) == "a\N{REPLACEMENT CHARACTER}b"
