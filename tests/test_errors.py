import pytest

from tidings.errors import CATALOGUE, SECTIONS, Problem, Section, words


def test_no_code_has_two_entries() -> None:
    assert sum(len(section.entries) for section in SECTIONS) == len(CATALOGUE)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_codes_are_in_order(section: Section) -> None:
    codes = [entry.code for entry in section.entries]
    assert codes == sorted(codes)


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_entry_is_a_sentence_that_a_value_can_follow(code: int) -> None:
    entry = CATALOGUE[code]
    assert entry.code == code
    assert 400 <= entry.http <= 599
    assert entry.message[0] in "'" or entry.message[0].isupper()
    assert entry.message[-1].isalnum() or entry.message[-1] in "')"


@pytest.mark.parametrize("code", [20003, 20404, 20409, 20413, 20422, 20429, 20500, 20503])
def test_codes_that_name_an_http_status_are_answered_with_it(code: int) -> None:
    assert CATALOGUE[code].http == (401 if code == 20003 else code - 20000)


def test_a_problem_says_what_was_wrong() -> None:
    problem = Problem(21211, value="abc")
    assert (problem.code, problem.http) == (21211, 400)
    assert problem.message == f"{CATALOGUE[21211].message}: abc"
    assert str(problem) == f"21211: {problem.message}"


def test_a_problem_names_the_parameter_its_value_and_the_reason_in_that_order() -> None:
    problem = Problem(20422, reason="not a number", value="x", name="limit")
    assert problem.message == f"{CATALOGUE[20422].message}: limit: x: not a number"


def test_other_details_are_kept_and_not_shown() -> None:
    problem = Problem(20003, detail="no header")
    assert problem.message == CATALOGUE[20003].message
    assert problem.details == {"detail": "no header"}


def test_a_long_value_is_cut() -> None:
    assert len(Problem(21609, value="x" * 60_000).message) < 400


def test_braces_in_a_value_are_only_text() -> None:
    assert Problem(21211, value="{0} {value}").message.endswith(": {0} {value}")


def test_a_code_outside_the_catalogue_cannot_be_raised() -> None:
    with pytest.raises(KeyError):
        Problem(99999)


def test_words_are_the_catalogues() -> None:
    assert words(30003) == CATALOGUE[30003].message


def test_words_for_a_code_that_only_a_carriers_profile_knows() -> None:
    assert "63016" in words(63016)
