"""The rules of a round: what each dialect does by itself, and what a fragment may change of it."""

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from tidings.callbacks.exchange import CODES, Kind, Response, Timeouts, TransportError
from tidings.callbacks.policy import Policy, RetryOn, cause, code, policy
from tidings.errors import CATALOGUE
from tidings.model import Target

EVERYTHING = frozenset({RetryOn.CLIENT_ERROR, RetryOn.SERVER_ERROR, RetryOn.CONNECT, RetryOn.READ})
SIGNALWIRE = ("signalwire_compat", "signalwire_rest", "signalwire_relay")


def twilio(fragment: str) -> Policy:
    return policy("twilio", Target.MESSAGE, fragment)


def test_without_a_fragment_twilio_has_its_documented_rules() -> None:
    rules = twilio("")
    assert rules.timeouts == Timeouts(connect=5, read=15, total=15)
    assert (rules.retries, rules.retry_on, rules.redirects) == (1, frozenset({RetryOn.CONNECT}), 10)
    assert (rules.sni, rules.ignored) == (True, ())


@pytest.mark.parametrize("dialect", SIGNALWIRE)
def test_without_a_fragment_signalwire_has_its_documented_rules(dialect: str) -> None:
    rules = policy(dialect, Target.MESSAGE, "")
    assert rules.timeouts == Timeouts(connect=2, read=5, total=15)
    assert (rules.retries, rules.retry_on, rules.redirects) == (2, frozenset(RetryOn), 3)
    assert (rules.sni, rules.ignored) == (True, ())


@pytest.mark.parametrize("fragment", ["", "rc=5&rp=all&ct=100"])
def test_account_wide_callbacks_have_one_attempt_and_no_overrides(fragment: str) -> None:
    rules = policy("twilio", Target.ACCOUNT, fragment)
    assert rules.timeouts == Timeouts(connect=5, read=15, total=15)
    assert (rules.retries, rules.redirects, rules.sni) == (0, 0, True)
    assert rules == policy("signalwire_rest", Target.ACCOUNT, fragment)


@pytest.mark.parametrize(
    ("fragment", "timeouts"),
    [
        ("ct=100&rt=100&tt=100", Timeouts(0.1, 0.1, 0.1)),
        ("ct=10000&rt=15000&tt=15000", Timeouts(10, 15, 15)),
        ("tt=7000", Timeouts(5, 15, 7)),
        ("rt=2500&ct=1234", Timeouts(1.234, 2.5, 15)),
        ("ct=0100", Timeouts(0.1, 15, 15)),
        ("&&ct=100&", Timeouts(0.1, 15, 15)),
    ],
)
def test_times_are_set_in_milliseconds(fragment: str, timeouts: Timeouts) -> None:
    assert twilio(fragment) == replace(twilio(""), timeouts=timeouts)


@pytest.mark.parametrize(
    ("fragment", "change"),
    [
        ("rc=0", {"retries": 0}),
        ("rc=5", {"retries": 5}),
        ("rp=4xx", {"retry_on": {RetryOn.CLIENT_ERROR}}),
        ("rp=5xx,rt", {"retry_on": {RetryOn.SERVER_ERROR, RetryOn.READ}}),
        ("rp=5xx%2Crt", {"retry_on": {RetryOn.SERVER_ERROR, RetryOn.READ}}),
        ("rp=all", {"retry_on": EVERYTHING}),
        ("rp=ct,all", {"retry_on": EVERYTHING}),
        ("sni=n", {"sni": False}),
        ("sni=y", {}),
        ("e=ashburn", {}),
        ("e=frankfurt-ix,sao-paulo", {}),
        ("rc=2&rp=5xx&sni=n", {"retries": 2, "retry_on": {RetryOn.SERVER_ERROR}, "sni": False}),
    ],
)
def test_retries_and_sni_are_set(fragment: str, change: Mapping[str, object]) -> None:
    assert twilio(fragment) == replace(twilio(""), **change)


@pytest.mark.parametrize(
    "piece",
    [
        *("ct=99", "ct=10001", "rt=99", "rt=15001", "tt=99", "tt=15001", "rc=6", "rc=-1"),
        *("ct=", "ct", "ct=1e3", "ct=500.5", "ct=+500", "ct= 500", "ct=٥٠٠", "ct=5_00", "ct=" + "9" * 5000),
        *("rp=", "rp=other", "rp=5XX", "rp=5xx,", "rp=5xx,6xx", "sni=", "sni=no", "sni=y,n"),
        *("e=", "e=london", "e=ashburn,mars", "ot=500", "CT=500", "=500", "top", "%63t=500"),
    ],
)
def test_what_is_not_possible_is_ignored_and_told(piece: str) -> None:
    assert twilio(piece) == replace(twilio(""), ignored=(piece,))
    assert twilio(f"rc=3&{piece}") == replace(twilio("rc=3"), ignored=(piece,))


def test_of_a_repeated_key_the_first_counts() -> None:
    assert twilio("rc=3&rc=4") == replace(twilio("rc=3"), ignored=("rc=4",))


@pytest.mark.parametrize("dialect", SIGNALWIRE)
def test_signalwire_has_its_own_keys(dialect: str) -> None:
    rules = policy(dialect, Target.MESSAGE, "ot=100&rt=15000&tt=200&ct=500&rc=5&rp=all&sni=n&ot=99")
    assert rules.timeouts == Timeouts(0.1, 15, 0.2)
    assert (rules.retries, rules.sni) == (2, True)
    assert rules.ignored == ("ct=500", "rc=5", "rp=all", "sni=n", "ot=99")
    assert policy(dialect, Target.MESSAGE, "ot=10001&rt=99").timeouts == Timeouts(2, 5, 15)


def test_unknown_dialect_is_an_error() -> None:
    with pytest.raises(KeyError):
        policy("morse", Target.MESSAGE, "")


# What became of an attempt


def answered(status: int) -> Response:
    return Response(status, (), b"", 0.1)


@pytest.mark.parametrize(
    ("answer", "word", "twilio_code", "signalwire_code"),
    [
        (answered(200), None, None, None),
        (answered(204), None, None, None),
        (answered(299), None, None, None),
        (answered(302), RetryOn.OTHER, 11200, 11200),
        (answered(404), RetryOn.CLIENT_ERROR, 11200, 11217),
        (answered(503), RetryOn.SERVER_ERROR, 11200, 11217),
        (answered(999), RetryOn.OTHER, 11200, 11200),
        (TransportError(Kind.REFUSED, ""), RetryOn.CONNECT, 11202, 11200),
        (TransportError(Kind.UNREACHABLE, ""), RetryOn.CONNECT, 11205, 11200),
        (TransportError(Kind.CONNECT_TIMEOUT, ""), RetryOn.CONNECT, 11201, 11200),
        (TransportError(Kind.TLS, ""), RetryOn.CONNECT, 11220, 11220),
        (TransportError(Kind.TLS_NAME, ""), RetryOn.CONNECT, 11235, 11220),
        (TransportError(Kind.TLS_EXPIRED, ""), RetryOn.CONNECT, 11236, 11220),
        (TransportError(Kind.TLS_UNTRUSTED, ""), RetryOn.CONNECT, 11237, 11220),
        (TransportError(Kind.READ_TIMEOUT, ""), RetryOn.READ, 11203, 11200),
        (TransportError(Kind.RESET, ""), RetryOn.READ, 11200, 11200),
        (TransportError(Kind.READ_TIMEOUT, "", heard=True), RetryOn.OTHER, 11203, 11200),
        (TransportError(Kind.RESET, "", heard=True), RetryOn.OTHER, 11200, 11200),
        (TransportError(Kind.PROTOCOL, "", heard=True), RetryOn.OTHER, 11206, 11251),
        (TransportError(Kind.TOTAL_TIMEOUT, ""), RetryOn.OTHER, 11203, 11200),
        (TransportError(Kind.DNS, ""), RetryOn.OTHER, 11210, 11210),
        (TransportError(Kind.GUARDED, ""), RetryOn.OTHER, 11200, 11200),
        (TransportError(Kind.REDIRECTS, "", heard=True), RetryOn.OTHER, 11215, 11215),
    ],
)
def test_what_became_of_an_attempt_has_a_word_and_a_code(
    answer: Response | TransportError, word: RetryOn | None, twilio_code: int | None, signalwire_code: int | None
) -> None:
    if word is not None:
        assert cause(answer) is word
    assert code(twilio("").codes, answer) == twilio_code
    assert code(policy("twilio", Target.ACCOUNT, "").codes, answer) == twilio_code
    for dialect in SIGNALWIRE:
        assert code(policy(dialect, Target.MESSAGE, "").codes, answer) == signalwire_code


@pytest.mark.parametrize("dialect", ["twilio", *SIGNALWIRE])
def test_every_failure_has_a_code_of_the_catalogue(dialect: str) -> None:
    codes = policy(dialect, Target.MESSAGE, "").codes
    assert set(codes.kinds) == set(Kind) == set(CODES)
    assert {*codes.kinds.values(), *codes.answers.values(), codes.other} <= CATALOGUE.keys()
