"""What is told of a past signature is what was signed: whoever has the key can do it again."""

import base64
import hashlib
import hmac
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.callbacks.tellings import (
    PREVIOUS,
    SECRETS,
    SHARED,
    TOKEN,
    URL,
    account_wide_tellings,
    kept,
    telling,
    twilio_tellings,
)
from tidings.callbacks import forms
from tidings.callbacks.attempt import Telling
from tidings.callbacks.explain import NotSigned, Signed, expected, signed, verify
from tidings.dialects.own import masked
from tidings.model import Attempt, Target

any_telling = twilio_tellings | account_wide_tellings


def key_of(asked: Telling) -> str:
    if asked.target is Target.ACCOUNT:
        return SECRETS[0]
    return SHARED.secret if asked.account.callbacks.shared_keys else TOKEN


def again(told: Signed, asked: Telling, attempt: Attempt) -> str:
    """The signature, made from what the explanation says."""
    string = told.string.replace(masked(attempt.url), attempt.url)
    key = key_of(asked).encode()
    if told.header == "webhook-signature":
        key = base64.b64decode(key.removeprefix(b"whsec_"))
    digest = {"HMAC-SHA1, base64": hashlib.sha1, "HMAC-SHA256, base64": hashlib.sha256}[told.algorithm]
    return base64.b64encode(hmac.new(key, string.encode(), digest).digest()).decode()


@given(any_telling)
def test_the_string_and_the_key_make_the_signature_that_was_sent(asked: Telling) -> None:
    request = forms.compose(asked)
    attempt = kept(request)
    told = signed(attempt)
    assert dict(request.headers)[told.header.encode()].decode() == told.signature
    assert told.signature.split(" ")[0].removeprefix("v1,") == again(told, asked, attempt)


@given(any_telling)
def test_the_parts_are_the_string_taken_apart(asked: Telling) -> None:
    told = signed(kept(forms.compose(asked)))
    if told.header == "webhook-signature":
        assert ".".join(value for _, value in told.parts) == told.string
    else:
        assert told.parts[0][0] == "URL"
        assert told.parts[0][1] + "".join(name + value for name, value in told.parts[1:]) == told.string


@given(any_telling, st.sampled_from(["http://10.0.0.7:8080/cb", URL, "https://app.example.com/other?a=1#rc=1"]))
def test_a_key_verifies_the_url_it_signed_and_no_other(asked: Telling, url: str) -> None:
    attempt, key = kept(forms.compose(asked)), key_of(asked)
    assert verify(attempt, key)
    assert verify(attempt, key, attempt.url)
    same = url.partition("#")[0] == attempt.url or asked.target is Target.ACCOUNT  # which does not sign its URL
    assert verify(attempt, key, url) is same
    assert (expected(attempt, key, url) in signed(attempt).signature) is same


@given(twilio_tellings)
def test_another_key_does_not_verify(asked: Telling) -> None:
    assert not verify(kept(forms.compose(asked)), PREVIOUS)


@given(account_wide_tellings)
def test_each_secret_of_an_account_wide_callback_verifies(asked: Telling) -> None:
    attempt = kept(forms.compose(asked))
    assert all(verify(attempt, secret) for secret in SECRETS)
    assert not verify(attempt, "whsec_" + "AAAA" * 8)
    with pytest.raises(ValueError, match="whsec_"):
        verify(attempt, TOKEN)


def test_what_the_previous_auth_token_signed_is_verified_by_it() -> None:
    attempt = kept(forms.compose(telling(), previous=True))
    assert verify(attempt, PREVIOUS)
    assert not verify(attempt, TOKEN)


def test_the_signature_a_rewritten_url_would_need_is_the_one_it_gets() -> None:
    inside = "http://10.0.0.7:8080/cb?a=1"
    attempt = kept(forms.compose(telling()))
    assert expected(attempt, TOKEN, inside) == signed(kept(forms.compose(telling(inside)))).signature


FORM_STRING = (
    "{url}AccountSidAC{account}ApiVersion2010-04-01ErrorCode30003From+15005550006MessageSidSM{sid}"
    "MessageStatusundeliveredRawDlrDoneDate2609171211SmsSidSM{sid}SmsStatusundeliveredTo+15551230000"
)


def form_string(url: str) -> str:
    return FORM_STRING.format(url=url, account="0a" * 16, sid="5a" * 16)


def test_a_form_is_the_url_and_the_sorted_parameters() -> None:
    told = signed(kept(forms.compose(telling())))
    assert (told.header, told.algorithm, told.key) == ("X-Twilio-Signature", "HMAC-SHA1, base64", "auth token")
    assert told.string == form_string(URL)
    assert told.parts[:3] == (("URL", URL), ("AccountSid", "AC" + "0a" * 16), ("ApiVersion", "2010-04-01"))


def test_a_shared_key_is_named() -> None:
    told = signed(kept(forms.compose(telling(shared_keys=(SHARED,)))))
    assert (told.algorithm, told.key) == ("HMAC-SHA256, base64", "shared key webhooks_sharedkey_01")
    assert told.string == form_string(URL)


@pytest.mark.parametrize("options", [{"method": "GET"}, {"format": "json"}])
def test_where_the_query_says_it_all_the_url_is_signed_alone(options: dict[str, Any]) -> None:
    attempt = kept(forms.compose(telling(**options)))
    assert signed(attempt).string == attempt.url
    assert signed(attempt).parts == (("URL", attempt.url),)


def test_an_account_wide_callback_is_id_time_and_body() -> None:
    attempt = kept(forms.compose(telling(target=Target.ACCOUNT)))
    told = signed(attempt)
    assert (told.header, told.algorithm) == ("webhook-signature", "HMAC-SHA256, base64")
    assert [name for name, _ in told.parts] == ["webhook-id", "webhook-timestamp", "body"]
    assert told.parts[1:] == (("webhook-timestamp", "1790000060"), ("body", attempt.body))


def test_user_and_password_are_not_shown() -> None:
    attempt = kept(forms.compose(telling("https://user:p%40ss@app.example.com/cb")))
    told = signed(attempt)
    assert told.string == form_string("https://***@app.example.com/cb")
    assert told.parts[0] == ("URL", "https://***@app.example.com/cb")
    assert verify(attempt, TOKEN)
    assert not verify(attempt, TOKEN, told.parts[0][1])


@pytest.mark.parametrize("headers", ["", "Content-Type: text/plain"])
def test_what_was_not_signed_cannot_be_explained(headers: str) -> None:
    attempt = msgspec.structs.replace(kept(forms.compose(telling())), headers=headers)
    with pytest.raises(NotSigned, match=attempt.id):
        signed(attempt)
    with pytest.raises(NotSigned):
        verify(attempt, TOKEN)
