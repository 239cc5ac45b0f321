"""Where SignalWire's documents, specifications and clients contradict each other: one test for each choice made.

docs/signalwire.md tells the choices; a change of mind changes both.
"""

import json
from typing import Any

import pytest
from signalwire.rest.client import RestClient

from tidings.answering.effects import Document, Inbound, Reply
from tidings.callbacks import forms
from tidings.callbacks.attempt import Telling
from tidings.callbacks.signing import signalwire_form_signature
from tidings.cli.tls_lines import CLIENTS
from tidings.dialects import markup, signalwire, signalwire_compat, signalwire_relay, signalwire_rest, swml
from tidings.dialects.signalwire_compat_errors import error_json
from tidings.dialects.signalwire_rest_errors import errors_json
from tidings.errors import Problem
from tidings.ids import dashed
from tidings.lifecycle import Kind, Status
from tidings.model import Account, CallbackOptions, Direction, Event, Message, Order, Standing, Target
from tidings.text import Encoding

MESSAGE = Message(
    "5a" * 16,
    "0a" * 16,
    signalwire.COMPAT,
    Direction.OUTBOUND_API,
    "+15005550006",
    "+15551230000",
    "hello",
    Encoding.GSM7,
    1,
    "https://app.example.com/status",
    None,
    0,
)
SENDING = Event(MESSAGE.id, 2, MESSAGE.account, 0, Kind.INTENT, Status.SENDING, True, True, 1, None, {})
STANDING = Standing(MESSAGE.id, Status.SENDING, 2, 0)
INBOUND = Inbound("5b" * 16, "0a" * 16, "+15551230000", "+15005550006", "hi", "sms", (), 1, 0)


def account(**options: Any) -> Account:
    return Account("0a" * 16, "first", "the token", 0, callbacks=CallbackOptions(**options), signing_key="PSK_key")


def told(**options: Any) -> Telling:
    return Telling(MESSAGE, SENDING, Target.MESSAGE, account(**options), 0, 0)


def test_1_compat_callbacks_are_forms_unless_the_account_wants_the_specified_json() -> None:
    form = forms.compose(told())
    assert dict(form.headers)[b"Content-Type"].startswith(b"application/x-www-form-urlencoded")
    assert b"MessageStatus=sending" in form.body
    in_json = forms.compose(told(format="json"))
    assert json.loads(in_json.body)["MessageStatus"] == "sending"


def test_2_eight_media_by_api_ten_in_markup() -> None:
    media = [f"https://example.com/{number}.png" for number in range(9)]
    with pytest.raises(Problem) as refused:
        signalwire_compat.parse_create([("From", "+1"), ("To", "+1"), *[("MediaUrl", url) for url in media]])
    assert refused.value.code == 21623
    ten = "".join(f"<Media>{url}</Media>" for url in [*media, "https://example.com/9.png"])
    document = Document("", "text/xml", f"<Response><Message>{ten}</Message></Response>".encode())
    effect = next(markup.run(document, INBOUND, markup.FLAVOURS[signalwire.COMPAT]))
    assert isinstance(effect, Reply) and len(effect.media) == 10


def test_3_the_resource_says_initiated_where_the_compat_callback_says_sending() -> None:
    assert signalwire_compat.message_json(MESSAGE, STANDING)["status"] == "initiated"
    assert ("MessageStatus", "sending") in signalwire_compat.callback_params(MESSAGE, SENDING)
    assert signalwire_rest.callback_json(MESSAGE, SENDING)["status"] == "initiated"


def test_4_an_error_code_is_a_number_and_the_status_is_that_of_http() -> None:
    body = error_json(Problem(20404))
    assert (body["code"], body["status"]) == (20404, 404)


def test_5_the_uri_of_a_resource_ends_in_json() -> None:
    uri = signalwire_compat.message_json(MESSAGE, STANDING)["uri"]
    assert uri == f"/api/laml/2010-04-01/Accounts/{dashed(MESSAGE.account)}/Messages/{dashed(MESSAGE.id)}.json"


def test_6_the_signing_key_signs_and_not_the_token() -> None:
    request = forms.compose(told())
    params = signalwire_compat.callback_params(MESSAGE, SENDING)
    expected = signalwire_form_signature("PSK_key", request.url.text, params)
    assert dict(request.headers)[b"X-SignalWire-Signature"].decode() == expected


@pytest.mark.parametrize("word", ["topic", "context"])
def test_7_a_topic_is_a_context(word: str) -> None:
    order: Order = signalwire_relay.parse_send(
        {"from_number": "+15005550006", "to_number": "+15551230000", "body": "hi", word: "office"}
    )
    assert order.extras["context"] == "office"


def test_9_each_surface_has_one_address_for_its_errors() -> None:
    assert error_json(Problem(20404))["more_info"] == error_json(Problem(21617))["more_info"]
    _, body = errors_json(Problem(21211))
    (error,) = body["errors"]
    assert error["url"].endswith("/rest/overview/error-codes/#" + error["code"])


def test_10_rubys_client_is_given_the_variable_that_it_reads() -> None:
    (ruby,) = [client for client in CLIENTS if "Ruby" in client.name]
    assert any(line.startswith("export SIGNALWIRE_HOST=") for line in ruby.lines)


def test_11_rest_never_says_sending_and_swml_is_asked_for_with_a_message_object() -> None:
    assert "sending" not in signalwire.RESOURCE.values()
    asked = json.loads(swml.payload(INBOUND))
    assert set(asked) == {"message", "params"}


def test_12_the_client_has_no_compat_any_more_and_its_json_bodies_are_taken_all_the_same() -> None:
    assert not hasattr(RestClient("project", "token", host="127.0.0.1:1"), "compat")
    assert signalwire_compat.parameters({"To": "+1", "MediaUrl": ["a", "b"]}) == [
        ("To", "+1"),
        ("MediaUrl", "a"),
        ("MediaUrl", "b"),
    ]
