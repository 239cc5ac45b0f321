"""What each answer of an MMSC means, as one table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.carriers.mm7.mmsc_peer import fault, submit_rsp
from tidings.carriers.mm7.verdict import LONGEST_PAUSE, STATUS_CODES, Reply, judge, rule_of
from tidings.carriers.smpp.command_status import Kind
from tidings.errors import CATALOGUE


def reply(body: str, status: int = 200, retry_after: str = "") -> Reply:
    return Reply(status, "text/xml", body.encode(), retry_after)


def coded(code: int) -> str:
    return f"<StatusCode>{code}</StatusCode>"


@pytest.mark.parametrize(
    ("said", "kind", "error"),
    [
        (reply(submit_rsp("t", 1000)), Kind.OK, 0),
        (reply(submit_rsp("t", 1000, "")), Kind.OK, 0),
        (reply(submit_rsp("", 1000)), Kind.OK, 0),  # the transaction left out
        (reply(submit_rsp("t", 1100)), Kind.OK, 0),
        (reply(submit_rsp("t", 1100, "")), Kind.UNCERTAIN, 30008),  # a part of it, and no id
        (reply(submit_rsp("other", 1000)), Kind.UNCERTAIN, 30008),
        (reply(submit_rsp("other", 2003)), Kind.UNCERTAIN, 30008),
        (reply(submit_rsp("t", 2000)), Kind.ROUTE, 30008),
        (reply(submit_rsp("t", 2001)), Kind.ROUTE, 30008),
        (reply(submit_rsp("t", 2002)), Kind.ROUTE, 30005),
        (reply(submit_rsp("t", 2003)), Kind.MESSAGE, 30005),
        (reply(submit_rsp("t", 2004)), Kind.MESSAGE, 30007),
        (reply(submit_rsp("t", 2007)), Kind.ROUTE, 30008),
        (reply(submit_rsp("t", 2499)), Kind.ROUTE, 30008),  # an operator's own
        (reply(submit_rsp("t", 3000)), Kind.AGAIN, 30008),
        (reply(submit_rsp("t", 3002)), Kind.MESSAGE, 30008),
        (reply(submit_rsp("t", 3100)), Kind.SLOW, 30017),
        (reply(submit_rsp("t", 3999)), Kind.AGAIN, 30008),
        (reply(submit_rsp("t", 4000)), Kind.AGAIN, 30008),
        (reply(submit_rsp("t", 4001)), Kind.BIND, 30008),
        (reply(submit_rsp("t", 4002)), Kind.BIND, 30008),
        (reply(submit_rsp("t", 4004)), Kind.ROUTE, 30008),
        (reply(submit_rsp("t", 4005)), Kind.ROUTE, 30008),
        (reply(submit_rsp("t", 4006)), Kind.SLOW, 30017),
        (reply(submit_rsp("t", 4007)), Kind.ROUTE, 30008),
        (reply(submit_rsp("t", 4999)), Kind.ROUTE, 30008),
        (reply(submit_rsp("t", 0)), Kind.UNCERTAIN, 30008),
        (reply(submit_rsp("t", 6102)), Kind.UNCERTAIN, 30008),
        (reply(submit_rsp("t", 2003), 500), Kind.MESSAGE, 30005),  # SOAP counts before HTTP
        (reply(fault("t", "Client", coded(2003)), 500), Kind.MESSAGE, 30005),
        (reply(fault("t", "Server", coded(4006)), 500), Kind.SLOW, 30017),
        (reply(fault("t", "Server", coded(1000)), 500), Kind.UNCERTAIN, 30008),  # it contradicts itself
        (reply(fault("t", "Client"), 500), Kind.ROUTE, 30008),
        (reply(fault("t", "Client.Address"), 500), Kind.ROUTE, 30008),
        (reply(fault("t", "Server"), 500), Kind.AGAIN, 30008),
        (reply(fault("t", "VersionMismatch"), 500), Kind.BIND, 30008),
        (reply(fault("t", "MustUnderstand"), 500), Kind.BIND, 30008),
        (reply(fault("t", "Whatever"), 500), Kind.UNCERTAIN, 30008),
        (reply("", 200), Kind.UNCERTAIN, 30008),
        (reply("", 202), Kind.UNCERTAIN, 30008),
        (reply("<html><body>OK</body></html>", 200), Kind.UNCERTAIN, 30008),
        (reply("<html>", 302), Kind.BIND, 30008),
        (reply("<html>", 400), Kind.ROUTE, 30008),
        (reply("", 401), Kind.BIND, 30008),
        (reply(submit_rsp("t", 2003), 401), Kind.BIND, 30008),
        (reply("", 403), Kind.BIND, 30008),
        (reply("", 404), Kind.BIND, 30008),
        (reply("", 405), Kind.BIND, 30008),
        (reply("", 408), Kind.AGAIN, 30008),
        (reply("", 413), Kind.ROUTE, 30019),
        (reply("", 429), Kind.SLOW, 30017),
        (reply("", 500), Kind.UNCERTAIN, 30008),
        (reply("", 502), Kind.UNCERTAIN, 30008),
        (reply("", 503), Kind.SLOW, 30017),
        (reply("", 504), Kind.UNCERTAIN, 30008),
    ],
)
def test_every_answer_has_its_meaning(said: Reply, kind: Kind, error: int) -> None:
    verdict = judge(said, "t")
    assert (verdict.rule.kind, verdict.rule.error) == (kind, error)
    assert verdict.reason


def test_what_the_mmsc_said_is_kept_for_people() -> None:
    assert judge(reply(submit_rsp("t", 2002)), "t").reason == "2002 in so many words"
    assert judge(reply("<html>", 404), "t").reason.startswith("HTTP 404, refused by HTTP: not XML: ")


def test_the_message_id_comes_with_success() -> None:
    assert judge(reply(submit_rsp("t", 1000, "369500617770864640")), "t").message_id == "369500617770864640"


@pytest.mark.parametrize(
    ("header", "after"),
    [
        ("20", 20.0),
        ("0", 1.0),
        ("9" * 400, LONGEST_PAUSE),
        ("", 10.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 10.0),
        ("-1", 10.0),
    ],
)
def test_retry_after_is_heeded_within_reason(header: str, after: float) -> None:
    assert judge(reply("", 503, header), "t").rule.after == after


def test_every_error_is_one_that_people_can_read() -> None:
    assert {rule.error for rule in STATUS_CODES.values()} - {0} <= set(CATALOGUE)


def test_only_success_is_taken_for_success() -> None:
    assert [code for code in range(10_000) if rule_of(code).kind is Kind.OK] == list(range(1000, 2000))


@given(
    st.integers(200, 599),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=40),
    st.binary(),
)
def test_whatever_is_answered_means_something(status: int, content_type: str, body: bytes) -> None:
    assert judge(Reply(status, content_type, body), "t").rule.kind is not Kind.OK
