import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.carriers.smpp.command_status import Kind, StatusRule, classify, name
from tidings.carriers.smpp.profile import load
from tidings.errors import CATALOGUE


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (0x00, Kind.OK, 0),
        (0x01, Kind.MESSAGE, 30019),
        (0x02, Kind.BIND, 30008),
        (0x03, Kind.BIND, 30008),
        (0x04, Kind.BIND, 30008),
        (0x05, Kind.BIND, 30008),
        (0x06, Kind.ROUTE, 30008),
        (0x08, Kind.AGAIN, 30008),
        (0x0A, Kind.ROUTE, 21606),
        (0x0B, Kind.MESSAGE, 30005),
        (0x0D, Kind.BIND, 30008),
        (0x0E, Kind.BIND, 30008),
        (0x0F, Kind.BIND, 30008),
        (0x11, Kind.MESSAGE, 30409),
        (0x14, Kind.SLOW, 30001),
        (0x15, Kind.ROUTE, 30008),
        (0x43, Kind.ROUTE, 30008),
        (0x45, Kind.AGAIN, 30008),
        (0x48, Kind.ROUTE, 21606),
        (0x51, Kind.ROUTE, 30005),
        (0x53, Kind.BIND, 30008),
        (0x61, Kind.MESSAGE, 30012),
        (0x62, Kind.MESSAGE, 30012),
        (0x64, Kind.AGAIN, 30008),
        (0x65, Kind.MESSAGE, 30008),
        (0x66, Kind.MESSAGE, 30004),
        (0xC3, Kind.ROUTE, 30008),
        (0xFE, Kind.ROUTE, 30008),
        (0xFF, Kind.AGAIN, 30008),
        (0x104, Kind.ROUTE, 30008),
    ],
)
def test_each_status_has_its_consequence(status: int, kind: Kind, error: int) -> None:
    rule = classify(status)
    assert (rule.kind, rule.error) == (kind, error)


def test_throttling_slows_down_and_is_never_called_an_unreachable_carrier() -> None:
    rule = classify(0x58)
    assert rule.kind is Kind.SLOW
    assert rule.error == 30017
    assert rule.after > 0


@pytest.mark.parametrize(("status", "retries"), [(0x08, 2), (0x45, 1), (0x64, 2), (0xFF, 1)])
def test_what_may_be_tried_again_waits_first(status: int, retries: int) -> None:
    assert classify(status).retries == retries
    assert classify(status).after > 0


@pytest.mark.parametrize("status", [0x22, 0x601, 0x113, 0x3FF, 0x500, -1, 2**32])
def test_a_reserved_status_tries_another_carrier_and_never_the_same(status: int) -> None:
    assert classify(status) == StatusRule(Kind.ROUTE, 30008, "RESERVED")


@pytest.mark.parametrize("status", [0x400, 0x432, 0x4FF])
def test_a_vendor_status_is_for_the_profile_to_explain(status: int) -> None:
    assert classify(status) == StatusRule(Kind.ROUTE, 30008, "VENDOR")


@given(st.integers())
def test_every_number_has_a_rule_with_a_name_and_a_known_code(status: int) -> None:
    rule = classify(status, load())
    assert rule.name == name(status) != ""
    assert rule.error in CATALOGUE or (rule.kind is Kind.OK and status == 0)
    assert rule.retries == 0 or rule.kind is Kind.AGAIN


@given(st.integers(min_value=0, max_value=0x120))
def test_only_the_kind_again_is_asked_twice_in_the_whole_table(status: int) -> None:
    rule = classify(status)
    assert (rule.retries > 0) == (rule.kind is Kind.AGAIN)


@pytest.mark.parametrize(
    ("status", "expected"),
    [(0x08, "RSYSERR"), (0x58, "RTHROTTLED"), (0x100, "RSERTYPUNAUTH"), (0x112, "RINVBCASTCHANIND")],
)
def test_names_are_the_specifications(status: int, expected: str) -> None:
    assert name(status) == expected
