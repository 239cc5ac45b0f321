"""Callbacks as they go out: the form is what was signed."""

from urllib.parse import parse_qsl, urlencode

from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from tidings.callbacks import forms
from tidings.lifecycle import Kind, Status
from tidings.model import Account, Direction, Event, Message
from tidings.text import Encoding

names = st.from_regex(r"[A-Z][A-Za-z]{0,9}", fullmatch=True)
values = st.one_of(st.from_regex(r"[A-Za-z0-9+._~-]{0,20}", fullmatch=True), st.text(max_size=20))
text = values.filter(lambda value: not any("\ud800" <= character <= "\udfff" for character in value))


@given(st.lists(st.tuples(names, text)))
def test_a_form_is_spelled_as_the_standard_has_it(params: list[tuple[str, str]]) -> None:
    assert forms._form(params) == urlencode(params)


@given(
    st.sampled_from([Status.SENT, Status.DELIVERED, Status.UNDELIVERED, Status.FAILED]),
    st.sampled_from(["http://127.0.0.1:8080/cb", "https://app.example.com/cb?a=1&b=%20#rc=2"]),
)
def test_what_arrives_is_what_was_signed(status: Status, url: str) -> None:
    message = Message(
        "5a" * 16,
        "0a" * 16,
        "twilio",
        Direction.OUTBOUND_API,
        "+15005550006",
        "+15551230000",
        "hello",
        Encoding.GSM7,
        1,
        url,
        None,
        0,
    )
    event = Event(message.id, 4, message.account, 0, Kind.DELIVERED, status, True, True, 1, 30003, {})
    request = forms.compose(message, event, Account("0a" * 16, "", "token", 0))
    headers = dict(request.headers)
    arrived = dict(parse_qsl(request.body.decode(), keep_blank_values=True, strict_parsing=True))
    signature = headers[b"X-Twilio-Signature"].decode()
    assert RequestValidator("token").validate(url.partition("#")[0], arrived, signature)
    assert arrived["MessageStatus"] == arrived["SmsStatus"] == status
    assert ("ErrorCode" in arrived) == (status in (Status.UNDELIVERED, Status.FAILED))
