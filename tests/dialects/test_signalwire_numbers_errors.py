"""Errors below `/api/relay/rest`: one shape, in which everything is text."""

import json
from pathlib import Path

import pytest

from tidings.dialects.signalwire_numbers import errors_json
from tidings.dialects.signalwire_rest_errors import SENTENCES, Fault, Invalid
from tidings.errors import CATALOGUE, Problem

DATA = Path(__file__).parents[1] / "data" / "signalwire"

SAID: list[tuple[Problem, int, str, str]] = [
    (Problem(20003), 401, "Unauthorized", "Authentication failed"),
    (Problem(20006, reason="x"), 403, "Forbidden", "This account may not do that: x"),
    (Problem(20404, value="/x"), 404, "Not Found", "There is nothing here: /x"),
    (Problem(20001), 400, "Bad Request", "The request could not be read"),
    (Problem(21481, value="x"), 422, "Invalid Attribute", CATALOGUE[21481].message + ": x"),
    (Problem(20503), 503, "Service Unavailable", CATALOGUE[20503].message),
    (Invalid(Fault("name", "not_a_string")), 422, "Invalid Attribute", "'name' must be a string"),
    (
        Invalid(Fault("id", "does_not_exist", "x")),
        422,
        "Invalid Attribute",
        f"'id' {SENTENCES['does_not_exist']}: x",
    ),
]


@pytest.mark.parametrize(("problem", "status", "title", "detail"), SAID)
def test_a_problem_reads(problem: Problem, status: int, title: str, detail: str) -> None:
    entry = {"detail": detail, "status": str(status), "title": title, "code": str(status)}
    assert errors_json(problem) == (status, {"errors": [entry]})


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_problem_has_words(code: int) -> None:
    status, body = errors_json(Problem(code))
    assert 400 <= status < 600
    (entry,) = body["errors"]
    assert set(entry) == {"detail", "status", "title", "code"}
    assert all(isinstance(value, str) and value for value in entry.values())


def test_the_words_for_faults_are_the_vendors() -> None:
    known = json.loads((DATA / "rest_error_code_list.json").read_text())
    ours = {"already_assigned", "character_limit_exceeded", "could_not_purchase", "does_not_exist"}
    ours |= {"invalid_http_method", "not_json_or_yaml", "resource_not_deletable", "unsupported_option"}
    assert ours <= set(known) & set(SENTENCES)
