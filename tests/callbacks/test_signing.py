"""Signatures are what the official validators accept; tokens are UUIDs that never change."""

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from tidings.callbacks.signing import (
    EVENTS,
    Algorithm,
    body_sha256,
    extended,
    idempotency_token,
    signalwire_form_signature,
    signalwire_signature,
    twilio_signature,
    webhook_key,
    webhook_signature,
)

# Twilio's own documentation, "Validating Signatures from Twilio"
CALL = [
    ("To", "+18005551212"),
    ("From", "+14158675309"),
    ("Digits", "1234"),
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
]
CALL_URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
# Computed here, accepted by twilio-python 9.13.0
STATUS = [
    ("SmsSid", "SM" + "1" * 32),
    ("SmsStatus", "delivered"),
    ("MessageStatus", "delivered"),
    ("To", "+15551230000"),
    ("MessageSid", "SM" + "1" * 32),
    ("AccountSid", "AC" + "0" * 32),
    ("From", "+15005550006"),
    ("ApiVersion", "2010-04-01"),
]


class MultiDict(dict[str, list[str]]):
    """What a web framework gives the validator for repeated names."""

    def getall(self, name: str) -> list[str]:
        return self[name]


def multidict(params: list[tuple[str, str]]) -> MultiDict:
    values = MultiDict()
    for name, value in params:
        values.setdefault(name, []).append(value)
    return values


@pytest.mark.parametrize(
    ("token", "url", "params", "algorithm", "signature"),
    [
        ("12345", CALL_URL, CALL, "sha1", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("token", "https://example.com/cb", STATUS, "sha1", "TsS5oxsp3cDRmcgg9c13Xz8kcxU="),
        ("token", "https://example.com/cb", STATUS, "sha256", "IV1CCQkhvWbeK0gX3/PpwGOzAZSGqtFr32n1Id+bnBw="),
    ],
)
def test_twilio_signature_of_known_requests(
    token: str, url: str, params: list[tuple[str, str]], algorithm: Algorithm, signature: str
) -> None:
    assert twilio_signature(token, url, params, algorithm) == signature


def test_fragment_is_not_signed() -> None:
    assert twilio_signature("12345", CALL_URL + "#rc=2&rt=500", CALL) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_json_body_is_signed_through_its_hash_in_the_url() -> None:
    url = extended("https://example.com/cb", body_sha256(b'{"a":1}'))
    body_hash = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    assert url == f"https://example.com/cb?bodySHA256={body_hash}"
    assert twilio_signature("token", url, ()) == "OLDuylXYsbzqH/0Tjyy6t9tuTmI="


@pytest.mark.parametrize(
    ("url", "longer"),
    [
        ("https://example.com/cb", "https://example.com/cb?b=2"),
        ("https://example.com/cb?a=1", "https://example.com/cb?a=1&b=2"),
        ("https://example.com/cb?", "https://example.com/cb?b=2"),
        ("https://example.com/cb?a=1&", "https://example.com/cb?a=1&b=2"),
        ("https://example.com/&", "https://example.com/&?b=2"),
        ("https://example.com", "https://example.com?b=2"),
    ],
)
def test_more_query_joins_what_is_there(url: str, longer: str) -> None:
    assert extended(url, "b=2") == longer


names = st.sampled_from(["Body", "From", "To", "a", "A", "b", "é", ""]) | st.text(max_size=5)
characters = st.characters(codec="utf-8")
form = st.lists(st.tuples(names, st.text(characters, max_size=20)), max_size=12)
paths = st.text("abcXYZ019-._~%/", max_size=15)
queries = st.lists(st.from_regex(r"[a-z]{1,3}=[a-z0-9%+]{0,5}", fullmatch=True), max_size=3).map("&".join)
urls = st.builds(
    lambda scheme, port, path, query: f"{scheme}://example.com{port}/{path}" + (f"?{query}" if query else ""),
    st.sampled_from(["http", "https"]),
    st.sampled_from(["", ":443", ":80", ":8443"]),
    paths,
    queries,
)


@given(st.text(characters, min_size=1, max_size=40), urls, form, st.sampled_from(["sha1", "sha256"]))
def test_twilios_validator_accepts_every_form(
    token: str, url: str, params: list[tuple[str, str]], algorithm: Algorithm
) -> None:
    signature = twilio_signature(token, url, params, algorithm)
    validator = RequestValidator(token)
    assert validator.compute_signature(url, multidict(params), f"HMAC_{algorithm}") == signature
    if ":" not in url.removeprefix("https:").removeprefix("http:"):  # it rewrites URLs that have a port
        assert validator.validate(url, multidict(params), signature, f"HMAC_{algorithm}")


@given(urls, st.dictionaries(st.text(characters, max_size=5), st.text(characters, max_size=10), max_size=4))
def test_twilios_validator_accepts_every_json_body(url: str, content: dict[str, str]) -> None:
    body = json.dumps(content)
    signed = extended(url, body_sha256(body.encode()))
    signature = twilio_signature("token", signed, ())
    assert RequestValidator("token").validate(signed, body, signature)
    assert not RequestValidator("token").validate(signed, body + " ", signature)


@given(form, st.integers(0, 11), st.text(characters, min_size=1, max_size=3))
def test_a_changed_value_changes_the_signature(params: list[tuple[str, str]], at: int, added: str) -> None:
    if not params:
        return
    changed = [*params]
    name, value = changed[at % len(params)]
    changed[at % len(params)] = (name, value + added)
    same = sorted(set(params)) == sorted(set(changed)) or _joined(params) == _joined(changed)
    assert (twilio_signature("token", CALL_URL, params) == twilio_signature("token", CALL_URL, changed)) is same


def _joined(params: list[tuple[str, str]]) -> str:
    return "".join(name + value for name, value in sorted(set(params)))


# SignalWire: vectors 1 and 2 are those of its SDK's own tests; the others were accepted by signalwire-sdk 3.7.5.
CALL_EVENT = (
    b'{"call":{"call_id":"b5d63b2e-f75b-4dc8-b6d4-269b635f96c0",'
    b'"node_id":"fa3570ae-f8bd-42c2-83f4-9950d906c91b@us-west",'
    b'"segment_id":"b5d63b2e-f75b-4dc8-b6d4-269b635f96c0","call_state":"created","direction":"inbound",'
    b'"type":"phone","from":"+12135877632","to":"+12089806814","from_number":"+12135877632",'
    b'"to_number":"+12089806814","project_id":"4b7ae78a-d02e-4889-a63b-08b156d5916e",'
    b'"space_id":"62615f44-2a34-4235-b38b-76b5a1de6ef8"},"vars":{}}'
)
MESSAGE_EVENT = (
    b'{"id":"a1b2c3d4-e5f6-7890-abcd-ef1234567890","project_id":"b2c3d4e5-f6a7-8901-bcde-f12345678901",'
    b'"status":"delivered","to":"+15551234567","from":"+15559876543","body":"Hello World!",'
    b'"number_of_segments":1,"timestamp":"2026-03-17T22:26:57Z","error_code":null,"error_message":null}'
)
COMPAT_STATUS = [
    ("MessageSid", "0a059168-ead0-41af-9d1f-343dae832527"),
    ("AccountSid", "ea108133-d6b3-407c-9536-9fad8a929a6a"),
    ("MessageStatus", "delivered"),
    ("From", "+15551234567"),
    ("To", "+15557654321"),
    ("Body", "Hello World!"),
    ("NumMedia", "0"),
    ("NumSegments", "1"),
]


@pytest.mark.parametrize(
    ("key", "url", "body", "algorithm", "signature"),
    [
        (
            "PSK_7TruNcSNTxp4zNrykMj4EPzF",
            "https://81f2-2-45-18-191.ngrok-free.app/",
            CALL_EVENT,
            "sha1",
            "b18500437ebb010220ddd770cbe6fd531ea0ba0d",
        ),
        (
            "PSK_test",
            "https://example.com/webhooks/message-status",
            MESSAGE_EVENT,
            "sha1",
            "d0dd500e733d4903684a268286476e88b7ec14a5",
        ),
        (
            "PSK_test",
            "https://example.com/webhooks/message-status",
            MESSAGE_EVENT,
            "sha256",
            "468d19bed867edd23e7be259df1ff1a1f6460e8fefd20789a00aa8a750b53755",
        ),
    ],
)
def test_signalwire_signature_of_known_json(
    key: str, url: str, body: bytes, algorithm: Algorithm, signature: str
) -> None:
    assert signalwire_signature(key, url, body, algorithm) == signature


@pytest.mark.parametrize(
    ("key", "url", "params", "signature"),
    [
        ("12345", CALL_URL, CALL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("PSK_test", "https://example.com/status-callback", COMPAT_STATUS, "EEFVc2tzusCswvIiaJ9/V6gCxgc="),
    ],
)
def test_signalwire_signature_of_known_forms(
    key: str, url: str, params: list[tuple[str, str]], signature: str
) -> None:
    assert signalwire_form_signature(key, url, params) == signature


def test_repeated_names_count_once_a_value_for_twilio_and_as_sent_for_signalwire() -> None:
    params = [("b", "2"), ("b", "1"), ("b", "2"), ("a", "0")]
    assert twilio_signature("k", "https://h/", params) == signalwire_form_signature(
        "k", "https://h/", [("a", "0"), ("b", "1"), ("b", "2")]
    )
    assert signalwire_form_signature("k", "https://h/", params) == signalwire_form_signature(
        "k", "https://h/a0b2b1b2", []
    )


# The first is the one that the libraries of Standard Webhooks are tested with; the second its content under the
# longest secret that may be, computed with `openssl dgst -sha256 -mac HMAC`.
@pytest.mark.parametrize(
    ("secret", "signature"),
    [
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ("whsec_" + "/" * 85 + "w==", "v1,fZzVah3ZS2EUoPgmc3YYVtCEN0N+r1230ukKyDe3eWE="),
    ],
)
def test_webhook_signature_of_known_content(secret: str, signature: str) -> None:
    body = b'{"test": 2432232314}'
    assert webhook_signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == signature


@pytest.mark.parametrize(
    ("secret", "wrong"),
    [
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begins with whsec_"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "base64"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La-_Sw", "base64"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLéSw", "base64"),
        ("whsec_plJ3nmyCDGBKInavdOK15jsl", "not 18"),
        ("whsec_" + "AAAA" * 22, "not 66"),
    ],
)
def test_what_is_no_webhook_secret_is_refused_without_being_shown(secret: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong) as refused:
        webhook_key(secret)
    assert secret[6:14] not in str(refused.value)


def test_idempotency_token_is_for_ever() -> None:
    assert idempotency_token("0198f3c2a1b27c3d8e4f5a6b7c8d9e0f", 3) == "3818a290-1b1b-51e6-9fed-dd35ede8217a"


@given(st.uuids(), st.integers(0, 10_000))
def test_idempotency_token_is_a_name_based_uuid(message: uuid.UUID, sequence: int) -> None:
    token = idempotency_token(message.hex, sequence)
    assert token == str(uuid.uuid5(EVENTS, f"{message.hex}/{sequence}"))
    assert token != idempotency_token(message.hex, sequence + 1)
