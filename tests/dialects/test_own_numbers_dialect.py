"""Who answers a number: forms of our own API → handlings, and back in the same words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.arranged import Handler, Handling, Sender
from tidings.dialects.own_numbers import changed, number_json
from tidings.errors import Problem
from tidings.model import Account

ACCOUNT = Account("0a" * 16, "first", "token", 0)
APPLICATION = "0123456789abcdef" * 2
URL, SPARE = "https://app.example.com/sms", "https://spare.example.com/sms"
YAML = "reply:\n  body: Hello\n"
NO_CONTEXT = "not a context: 1 to 200 characters, none of them a control character"
SCRIPT = '{"reply": {"body": "Hello"}}'
BEFORE = Sender(
    "+15005550006",
    ACCOUNT.id,
    queue_limit=7,
    id="1" * 32,
    name="Desk",
    handling=Handling(
        Handler.RELAY, "signalwire_relay", context="office", resource="2" * 32, spelling="relay_topic"
    ),
    claimed=True,
)
NOW = 1_795_282_096_000_123


def answered(form: dict[str, str], account: Account = ACCOUNT) -> Handling:
    return changed(BEFORE, account, list(form.items()), NOW).handling


def refused(form: dict[str, str], account: Account = ACCOUNT) -> tuple[object, object]:
    """What is complained of, and why."""
    with pytest.raises(Problem) as caught:
        answered(form, account)
    assert caught.value.code == 20422
    return caught.value.details["name"], caught.value.details["reason"]


@pytest.mark.parametrize(
    ("form", "handling"),
    [
        ({"handler": "none"}, Handling()),
        ({"handler": "markup", "url": URL}, Handling(Handler.MARKUP, "twilio", URL)),
        (
            {"handler": "markup", "url": URL, "dialect": "signalwire_compat", "method": "GET"},
            Handling(Handler.MARKUP, "signalwire_compat", URL, "GET"),
        ),
        (
            {"handler": "markup", "url": URL, "fallback_url": SPARE, "fallback_method": "GET"},
            Handling(Handler.MARKUP, "twilio", URL, "POST", SPARE, "GET"),
        ),
        (
            {"handler": "application", "application": "AP" + APPLICATION.upper()},
            Handling(Handler.APPLICATION, "signalwire_compat", application=APPLICATION),
        ),
        (
            {"handler": "application", "application": APPLICATION, "dialect": "twilio"},
            Handling(Handler.APPLICATION, "twilio", application=APPLICATION),
        ),
        ({"handler": "swml", "url": URL}, Handling(Handler.SWML, "signalwire_rest", URL)),
        (
            {"handler": "swml", "script": SCRIPT, "fallback_url": SPARE},
            Handling(Handler.SWML, "signalwire_rest", script=SCRIPT, fallback_url=SPARE),
        ),
        ({"handler": "swml", "script": YAML}, Handling(Handler.SWML, "signalwire_rest", script=YAML)),
        (
            {"handler": "relay", "context": "front desk"},
            Handling(Handler.RELAY, "signalwire_relay", context="front desk"),
        ),
    ],
)
def test_a_form_says_the_whole_of_who_answers(form: dict[str, str], handling: Handling) -> None:
    assert answered(form) == handling


def test_all_else_of_a_number_stays() -> None:
    after = changed(BEFORE, ACCOUNT, [("handler", "none")], NOW)
    assert after == Sender("+15005550006", ACCOUNT.id, 7, "1" * 32, "Desk", Handling(), 0, NOW, claimed=True)


@pytest.mark.parametrize(("name", "kept"), [("Front ", "Front"), ("", ""), ("n" * 255, "n" * 255)])
def test_a_name_alone_changes_nothing_else(name: str, kept: str) -> None:
    after = changed(BEFORE, ACCOUNT, [("name", name)], NOW)
    assert (after.name, after.handling) == (kept, BEFORE.handling)


@pytest.mark.parametrize(
    ("form", "name", "reason"),
    [
        ({"url": URL}, "handler", "it is missing: say who answers"),
        ({"handler": "human"}, "handler", "not one of none, markup, application, swml, relay"),
        ({"handler": "none", "url": URL}, "url", "it has no meaning where the handler is none"),
        ({"handler": "none", "dialect": "twilio"}, "dialect", "it has no meaning where the handler is none"),
        ({"handler": "markup"}, "handler", "it needs url"),
        ({"handler": "markup", "url": ""}, "url", "URL does not read as https://host/path"),
        (
            {"handler": "markup", "url": "ftp://a.example"},
            "url",
            "URL scheme is ftp: only http and https are called",
        ),
        ({"handler": "markup", "url": URL, "method": "PUT"}, "method", "not one of POST, GET"),
        (
            {"handler": "markup", "url": URL, "context": "x"},
            "context",
            "it has no meaning where the handler is markup",
        ),
        (
            {"handler": "markup", "url": URL, "fallback_method": "GET"},
            "fallback_method",
            "it goes with fallback_url, which is not given",
        ),
        (
            {"handler": "markup", "url": URL, "dialect": "signalwire_rest"},
            "dialect",
            "where the handler is markup it can only be twilio or signalwire_compat",
        ),
        ({"handler": "swml"}, "handler", "it needs url or script"),
        ({"handler": "swml", "url": URL, "script": SCRIPT}, "handler", "it needs url or script"),
        ({"handler": "swml", "script": SCRIPT, "method": "GET"}, "method", "it goes with url, which is not given"),
        (
            {"handler": "swml", "url": URL, "dialect": "twilio"},
            "dialect",
            "where the handler is swml it can only be signalwire_rest",
        ),
        ({"handler": "relay"}, "handler", "it needs context"),
        ({"handler": "relay", "context": "a\nb"}, "context", NO_CONTEXT),
        ({"handler": "relay", "context": "c" * 201}, "context", NO_CONTEXT),
        (
            {"handler": "application", "application": "sales"},
            "application",
            "not an application's SID, UUID, or 32 hex digits",
        ),
        (
            {"handler": "application", "application": APPLICATION, "url": URL},
            "url",
            "it has no meaning where the handler is application",
        ),
        ({"name": "n" * 256}, "name", "longer than 255 characters"),
        ({"colour": "red"}, "colour", "there is no such parameter here"),
    ],
)
def test_what_does_not_fit_together_is_refused(form: dict[str, str], name: str, reason: str) -> None:
    assert refused(form) == (name, reason)


@pytest.mark.parametrize("script", ["", "Hello", "{", "play: {}", '{"reply": {}, "receive": {}}'])
def test_a_script_that_is_no_swml_is_refused_in_its_own_words(script: str) -> None:
    name, reason = refused({"handler": "swml", "script": script})
    assert name == "script"
    assert str(reason).startswith(("json_or_yaml_required: ", "swml_"))


def test_nothing_is_given_twice() -> None:
    with pytest.raises(Problem) as caught:
        changed(BEFORE, ACCOUNT, [("handler", "none"), ("handler", "none")], NOW)
    assert caught.value.details["reason"] == "it can be given only once"


def test_an_account_is_asked_in_a_dialect_that_it_speaks() -> None:
    account = Account("0a" * 16, "first", "token", 0, dialects=("signalwire_compat",))
    assert answered({"handler": "markup", "url": URL}, account).dialect == "signalwire_compat"
    for form in ({"handler": "markup", "url": URL, "dialect": "twilio"}, {"handler": "relay", "context": "x"}):
        assert refused(form, account) == ("dialect", "this account does not speak it")


# --- what goes out
def test_a_number_is_shown_as_it_is() -> None:
    handling = Handling(
        Handler.MARKUP, "signalwire_compat", "https://me:secret@app.example.com/", "GET", SPARE, resource="2" * 32
    )
    shown = number_json(
        Sender(
            "12345", ACCOUNT.id, id="1" * 32, name="Code", handling=handling, created_at=1, updated_at=2_000_000
        )
    )
    assert shown == {
        "id": "1" * 32,
        "address": "12345",
        "name": "Code",
        "handler": "markup",
        "dialect": "signalwire_compat",
        "url": "https://***@app.example.com/",
        "method": "GET",
        "fallback_url": SPARE,
        "fallback_method": "POST",
        "application": None,
        "context": None,
        "script": None,
        "resource": "2" * 32,
        "claimed": False,
        "created_at": "1970-01-01T00:00:00.000001Z",
        "updated_at": "1970-01-01T00:00:02.000000Z",
    }


def test_what_is_not_so_is_null() -> None:
    shown = number_json(Sender("+15005550006", ACCOUNT.id))
    assert {name for name, value in shown.items() if value is None} == shown.keys() - {
        "id",
        "address",
        "name",
        "handler",
        "claimed",
    }


_DIALECTS = st.sampled_from(["twilio", "signalwire_compat"])
_CONTEXTS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=200)
_METHODS = st.sampled_from(["POST", "GET"])
_FORMS = st.one_of(
    st.fixed_dictionaries(
        {"handler": st.just("markup"), "url": st.just(URL), "fallback_url": st.just(SPARE)},
        optional={"method": _METHODS, "fallback_method": _METHODS, "dialect": _DIALECTS},
    ),
    st.fixed_dictionaries(
        {"handler": st.just("swml"), "script": st.just(SCRIPT)}, optional={"fallback_url": st.just(URL)}
    ),
    st.fixed_dictionaries({"handler": st.just("relay"), "context": _CONTEXTS}),
    st.just({"handler": "application", "application": APPLICATION}),
    st.just({"handler": "none"}),
)


@given(_FORMS)
def test_what_is_shown_says_the_same_when_it_is_said_again(form: dict[str, str]) -> None:
    once = changed(BEFORE, ACCOUNT, list(form.items()), NOW)
    again: dict[str, Any] = {
        name: value
        for name, value in number_json(once).items()
        if value is not None and name not in ("id", "address", "claimed", "created_at", "updated_at")
    }
    assert changed(BEFORE, ACCOUNT, list(again.items()), NOW) == once
