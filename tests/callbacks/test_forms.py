"""Callbacks as they go out: what a server puts together from the wire is what was signed."""

import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import (
    SIGNATURE_HEADER,
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    get_signature_algorithm,
)

from tests.callbacks.tellings import (
    PREVIOUS,
    SECRETS,
    SHARED,
    TOKEN,
    URL,
    URLS,
    Seen,
    account_wide_tellings,
    seen,
    telling,
    twilio_tellings,
)
from tidings.callbacks import forms
from tidings.callbacks.attempt import Telling
from tidings.callbacks.signing import idempotency_token
from tidings.callbacks.url import InvalidUrl
from tidings.dialects import twilio
from tidings.model import SharedKey, Target

names = st.from_regex(r"[A-Z][A-Za-z]{0,9}", fullmatch=True)
values = st.one_of(st.from_regex(r"[A-Za-z0-9+._~-]{0,20}", fullmatch=True), st.text(max_size=20))
text = values.filter(lambda value: not any("\ud800" <= character <= "\udfff" for character in value))

FORM = "application/x-www-form-urlencoded; charset=UTF-8"
JSON = "application/json; charset=utf-8"


@given(st.lists(st.tuples(names, text)))
def test_a_form_is_spelled_as_the_standard_has_it(params: list[tuple[str, str]]) -> None:
    assert forms._form(params) == urlencode(params)


def accepted(key: str, got: Seen, userinfo: str = "") -> bool:
    """Whether Twilio's own validator takes a request, used as its documentation has it."""
    url = got.url.replace("://", f"://{userinfo}", 1)
    params: dict[str, str] | str = got.body
    if got.method == "GET" or got.headers["Content-Type"] == FORM:
        params = dict(parse_qsl(got.body, keep_blank_values=True))
    algorithm = get_signature_algorithm(got.headers.get(SIGNATURE_SETTINGS_HEADER))
    return bool(RequestValidator(key).validate(url, params, got.headers[SIGNATURE_HEADER], algorithm))


def told(got: Seen) -> dict[str, str]:
    """The parameters that arrived, wherever they are."""
    if got.method == "GET":
        return dict(parse_qsl(urlsplit(got.url).query, keep_blank_values=True))
    if got.headers["Content-Type"] == JSON:
        return dict(json.loads(got.body))
    return dict(parse_qsl(got.body, keep_blank_values=True, strict_parsing=True))


@given(twilio_tellings)
def test_twilios_validator_accepts_what_arrives_in_every_variant(asked: Telling) -> None:
    options, configured = asked.account.callbacks, asked.message.callback_url or ""
    key, wrong = (SHARED.secret, TOKEN) if options.shared_keys else (TOKEN, PREVIOUS)
    userinfo = "user:p%40ss@" if "@" in configured else ""
    got = seen(forms.compose(asked))
    assert accepted(key, got, userinfo)
    assert not accepted(wrong, got, userinfo)
    params = dict(twilio.callback_params(asked.message, asked.event))
    if options.numbered:
        params |= {"TidingsSequence": "4", "TidingsTimestamp": "2026-09-21T14:13:20.000123Z"}
    assert params.items() <= told(got).items()
    assert "#" not in got.url
    assert got.headers["I-Twilio-Idempotency-Token"] == idempotency_token(asked.message.id, asked.event.number)


@given(twilio_tellings.filter(lambda asked: not asked.account.callbacks.shared_keys))
def test_the_previous_auth_token_signs_when_asked_to(asked: Telling) -> None:
    userinfo = "user:p%40ss@" if "@" in (asked.message.callback_url or "") else ""
    got = seen(forms.compose(asked, previous=True))
    assert accepted(PREVIOUS, got, userinfo)
    assert not accepted(TOKEN, got, userinfo)


def test_shared_keys_know_no_previous_auth_token() -> None:
    asked = telling(shared_keys=(SHARED,))
    assert forms.compose(asked, previous=True) == forms.compose(asked)


FORM_BODY = (
    "ErrorCode=30003&SmsSid=SM{sid}&SmsStatus=undelivered&MessageStatus=undelivered&To=%2B15551230000"
    "&MessageSid=SM{sid}&AccountSid=AC{account}&From=%2B15005550006&ApiVersion=2010-04-01&RawDlrDoneDate=2609171211"
).format(sid="5a" * 16, account="0a" * 16)


def test_by_default_a_form_is_posted_to_the_url_as_configured() -> None:
    request = forms.compose(telling("https://app.example.com/cb?a=1#rc=3"))
    got = seen(request)
    assert (got.method, got.url, got.body) == ("POST", URL, FORM_BODY)
    assert request.url.text == URL
    assert list(got.headers) == ["Content-Type", "X-Twilio-Signature", "I-Twilio-Idempotency-Token"]
    assert got.headers["Content-Type"] == FORM


def test_number_and_time_come_last_in_the_form() -> None:
    got = seen(forms.compose(telling(numbered=True)))
    assert got.body == FORM_BODY + "&TidingsSequence=4&TidingsTimestamp=2026-09-21T14%3A13%3A20.000123Z"


@pytest.mark.parametrize("format_", ["form", "json"])
@pytest.mark.parametrize(
    ("url", "start"),
    [
        (URL, URL + "&"),
        ("https://app.example.com/cb", "https://app.example.com/cb?"),
        ("https://app.example.com/cb?a=1&#rc=1", "https://app.example.com/cb?a=1&"),
        ("https://app.example.com/cb?", "https://app.example.com/cb?"),
    ],
)
def test_get_has_all_in_its_query_whatever_the_format(format_: str, url: str, start: str) -> None:
    request = forms.compose(telling(url, method="GET", format=format_, sender="A & B+ü"))
    got = seen(request)
    query = FORM_BODY.replace("%2B15005550006", "A%20%26%20B%2B%C3%BC")
    assert (got.method, got.url, got.body) == ("GET", start + query, "")
    assert request.url.text == got.url
    assert "Content-Type" not in got.headers


@pytest.mark.parametrize(
    ("url", "start"),
    [
        (URL, URL + "&"),
        ("https://app.example.com/cb", "https://app.example.com/cb?"),
        ("https://app.example.com/cb?#rc=1", "https://app.example.com/cb?"),
    ],
)
def test_json_is_covered_through_its_hash_in_the_query(url: str, start: str) -> None:
    request = forms.compose(telling(url, format="json", sender="A & B+ü"))
    got = seen(request)
    digest = hashlib.sha256(got.body.encode()).hexdigest()
    assert (got.method, got.url) == ("POST", f"{start}bodySHA256={digest}")
    assert request.url.text == got.url
    assert list(json.loads(got.body))[:2] == ["ErrorCode", "SmsSid"]
    assert json.loads(got.body)["From"] == "A & B+ü"
    assert not accepted(TOKEN, got._replace(body=got.body + " "))


def test_a_url_without_path_gets_its_query_behind_the_slash_that_is_requested() -> None:
    request = forms.compose(telling("https://app.example.com", method="GET"))
    assert seen(request).url == f"https://app.example.com/?{FORM_BODY}"
    assert request.url.text == f"https://app.example.com?{FORM_BODY}"


def test_sha256_says_which_key_signed() -> None:
    got = seen(forms.compose(telling(shared_keys=(SHARED, SharedKey("older", "older")))))
    assert got.headers[SIGNATURE_SETTINGS_HEADER] == "key=webhooks_sharedkey_01,algorithm=HMAC_SHA256"


def opened(secret: str, got: Seen) -> bool:
    """Standard Webhooks 1.0, verifying: any of the signatures, over id, timestamp and raw body."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = ".".join((got.headers["webhook-id"], got.headers["webhook-timestamp"], got.body))
    needed = base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).decode()
    return ("v1", needed) in [tuple(one.split(",", 1)) for one in got.headers["webhook-signature"].split(" ")]


@given(account_wide_tellings)
def test_account_wide_callbacks_open_with_every_secret(asked: Telling) -> None:
    got = seen(forms.compose(asked))
    assert all(opened(secret, got) for secret in SECRETS)
    assert not opened("whsec_" + "AAAA" * 8, got)
    assert not any(opened(secret, got._replace(body=got.body + " ")) for secret in SECRETS)
    assert json.loads(got.body)["data"]["message"]["from"] == asked.message.sender


def test_account_wide_callbacks_have_the_headers_of_standard_webhooks_and_no_others() -> None:
    asked = telling("https://app.example.com/all#rc=3", target=Target.ACCOUNT)
    got = seen(forms.compose(asked))
    assert (got.method, got.url) == ("POST", "https://app.example.com/all")
    assert list(got.headers) == ["Content-Type", "webhook-id", "webhook-timestamp", "webhook-signature"]
    assert got.headers["Content-Type"] == JSON
    assert got.headers["webhook-id"] == idempotency_token(asked.message.id, 4)
    assert got.headers["webhook-timestamp"] == "1790000060"
    assert forms.compose(asked, previous=True) == forms.compose(asked)


@pytest.mark.parametrize("target", list(Target))
def test_without_a_url_there_is_nothing_to_compose(target: Target) -> None:
    with pytest.raises(InvalidUrl, match="no URL"):
        forms.compose(telling(None, target=target))


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("target", list(Target))
def test_connections_go_where_the_url_says(url: str, target: Target) -> None:
    request = forms.compose(telling(url, target=target, method="GET"))
    there = urlsplit(url)
    default = {"http": 80, "https": 443}[there.scheme]
    assert request.url.origin == (there.scheme, there.hostname, there.port or default)
