"""What Twilio's webhooks are asked with about a message that came in ("Twilio's request to your application")."""

import msgspec
import pytest

from tidings.answering.effects import Inbound
from tidings.dialects.twilio import inbound_params

ID, ACCOUNT, SERVICE = "0198f3c2a1b47c3d8e9f001122334455", "a" * 32, "e" * 32
TEXT = Inbound(ID, ACCOUNT, "+15551230000", "+15005550006", "Hi", "sms", (), 1, 0)
NOT_KNOWN = {f"{end}{place}": "" for end in ("To", "From") for place in ("City", "State", "Zip")}


def asked(**changes: object) -> dict[str, str]:
    params = inbound_params(msgspec.structs.replace(TEXT, **changes))
    assert len(params) == len(dict(params))
    return dict(params)


def test_a_text_comes_with_exactly_twilio_s_parameters() -> None:
    assert asked() == NOT_KNOWN | {
        "MessageSid": "SM" + ID,
        "SmsSid": "SM" + ID,
        "SmsMessageSid": "SM" + ID,
        "AccountSid": "AC" + ACCOUNT,
        "From": "+15551230000",
        "To": "+15005550006",
        "Body": "Hi",
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsStatus": "received",
        "ApiVersion": "2010-04-01",
        "FromCountry": "US",
        "ToCountry": "US",
    }


def test_a_number_in_a_service_names_it() -> None:
    assert asked(service=SERVICE)["MessagingServiceSid"] == "MG" + SERVICE


@pytest.mark.parametrize("kind", ["STOP", "START", "HELP"])
def test_a_keyword_of_a_service_that_has_its_own_says_what_it_is(kind: str) -> None:
    assert asked(opt_out=kind)["OptOutType"] == kind


def test_media_are_numbered_from_zero() -> None:
    media = (("https://a.example/1", "image/png", 5), ("https://a.example/2", "text/vcard", 7))
    params = asked(channel="mms", media=media)
    assert params["MessageSid"] == params["SmsMessageSid"] == "MM" + ID
    assert params["NumMedia"] == "2"
    assert [(params[f"MediaUrl{place}"], params[f"MediaContentType{place}"]) for place in (0, 1)] == [
        (url, kind) for url, kind, _ in media
    ]


@pytest.mark.parametrize(("sender", "country"), [("12345", ""), ("TIDINGS", ""), ("+491701234567", "DE")])
def test_a_country_is_that_of_a_number(sender: str, country: str) -> None:
    assert asked(sender=sender)["FromCountry"] == country
