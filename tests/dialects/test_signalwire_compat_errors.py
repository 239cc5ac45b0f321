"""Errors in SignalWire's numbers: every one that can be answered is in its list, in the body that its API has."""

from typing import Any

import pytest

from tests.schemas import signalwire
from tidings.dialects.signalwire_compat import error_json, number
from tidings.dialects.signalwire_compat_errors import MORE_INFO, NUMBERS
from tidings.errors import CATALOGUE, Problem

REFUSAL = signalwire("compat-messages", "CompatibilityErrorResponse")

DOCUMENTED = {400, 401, 404, 409, 422}
"""Statuses of the API description; others are for what no description speaks of: overload, and faults of ours."""


def body(problem: Problem) -> dict[str, Any]:
    said = error_json(problem)
    REFUSAL.validate(said)
    return said


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_error_has_a_number_that_signalwire_lists(code: int) -> None:
    assert number(code) in NUMBERS


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_problem_can_be_said(code: int) -> None:
    said = body(Problem(code, value="xyz"))
    assert said["code"] == number(code)
    assert said["message"].endswith(": xyz")
    # Contradiction 9, four addresses for the same page: one, whatever the error.
    assert said["more_info"] == MORE_INFO


# Ours → SignalWire's number and HTTP status. Contradiction 4: `code` is a number, `status` is the HTTP status.
ANSWERED = [
    (10000, 10000, 422),
    (20001, 10000, 400),
    (20003, 20003, 401),
    (20004, 10001, 405),
    (20005, 20003, 401),
    (20006, 20003, 401),
    (20007, 54454, 422),
    (20008, 20003, 401),
    (20009, 20009, 422),
    (20404, 20404, 404),
    (20409, 10000, 409),
    (20413, 10000, 413),
    (20422, 90000, 422),
    (20429, 20429, 429),
    (20500, 20504, 500),
    (20503, 20504, 503),
    (21211, 21211, 422),
    (21212, 21212, 422),
    (21218, 21218, 422),
    (21408, 30006, 422),
    (21481, 21481, 422),
    (21602, 21602, 422),
    (21603, 21705, 422),
    (21604, 21604, 422),
    (21606, 21210, 422),
    (21609, 21456, 422),
    (21610, 21610, 422),
    (21611, 21611, 429),
    (21612, 30006, 422),
    (21614, 21614, 422),
    (21617, 21617, 422),
    (21620, 21620, 422),
    (21621, 21601, 422),
    (21623, 21623, 422),
    (21624, 21624, 422),
    (21627, 90000, 422),
    (21701, 21701, 422),
    (21703, 21703, 422),
    (21705, 21701, 422),
    (21711, 21703, 422),
    (50509, 50509, 422),
    (54453, 54453, 422),
]


@pytest.mark.parametrize(("code", "theirs", "status"), ANSWERED)
def test_a_request_is_refused_with_signalwires_number_and_status(code: int, theirs: int, status: int) -> None:
    said = body(Problem(code))
    assert (said["code"], said["status"]) == (theirs, status)


def test_what_is_wrong_with_a_request_has_a_documented_status() -> None:
    outside = {20004, 20413, 20429, 21611, 20500, 20503}
    assert {status for code, _, status in ANSWERED if code not in outside} == DOCUMENTED


ON_MESSAGES = [
    (30001, 21611),
    (30002, 30002),
    (30003, 30003),
    (30004, 30004),
    (30005, 30005),
    (30006, 30006),
    (30007, 30007),
    (30008, 30008),
    (30009, 30008),
    (30010, 30010),
    (30011, 30012),
    (30012, 30008),
    (30017, 63011),
    (30019, 11751),
    (30022, 30022),
    (30023, 30027),
    (30027, 30027),
    (30034, 21717),
    (30036, 30001),
    (30410, 30008),
    (63019, 63019),
    (63016, 30008),  # in no catalogue: what a carrier's profile may say
    (12345, 90000),
]


@pytest.mark.parametrize(("code", "theirs"), ON_MESSAGES)
def test_what_became_of_a_message_has_signalwires_number(code: int, theirs: int) -> None:
    assert number(code) == theirs


def test_the_words_are_of_signalwires_rules() -> None:
    assert "172800" in error_json(Problem(21624))["message"]
    assert "8 media" in error_json(Problem(21623))["message"]
    assert "MG" not in error_json(Problem(21705))["message"]
