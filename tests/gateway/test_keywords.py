"""Keywords: which whole messages mean STOP, START or HELP, in whose words, and what is answered."""

import re
from pathlib import Path

import pytest

from tidings.arranged import Keywords
from tidings.gateway.keywords import ALWAYS, ANSWERS, DEFAULTS, Meaning, OptOutType, check, in_one_line, meaning
from tidings.text import Encoding, measure

US, UK, SPAIN, UNKNOWN = "+15551230000", "+447700900200", "+34612345678", "+88312345678"
SPANISH = Keywords(
    "es", stop=("ALTO", "Baja"), start=("ALTA",), help=("AYUDA",), stop_answer="No más.", start_answer="Hola."
)


def kind(sets: tuple[Keywords, ...], body: str, handset: str = US) -> OptOutType | None:
    found = meaning(sets, handset, in_one_line(body))
    return found and found.kind


def answer(sets: tuple[Keywords, ...], body: str, handset: str = US) -> str | None:
    found = meaning(sets, handset, in_one_line(body))
    return found and found.answer


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ("STOP", ["STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"]),
        ("START", ["START", "YES", "UNSTOP"]),
        ("HELP", ["HELP", "INFO"]),
    ],
)
def test_twilio_s_default_keywords(expected: OptOutType, words: list[str]) -> None:
    assert {word.casefold() for word in words} == set(DEFAULTS[expected])
    for word in words:
        for said in (word, word.lower(), word.capitalize(), f" {word}\r\n", f"\t{word}\u00a0"):
            assert kind((), said) == expected, said


@pytest.mark.parametrize(
    "body", ["", " ", "STOP.", "STOP!", '"STOP"', "please stop", "STOP ALL", "S T O P", "STOP STOP", "stopp", "0"]
)
def test_only_a_whole_message_is_a_keyword(body: str) -> None:
    assert kind((), body) is None


def test_the_documentation_has_the_same_words_and_answers() -> None:
    documentation = (Path(__file__).parents[2] / "docs" / "opt-out.md").read_text("utf-8")
    words = dict(re.findall(r"^\| .+ \((STOP|START|HELP)\) \| (.+) \|$", documentation, re.MULTILINE))
    assert words == {kind: ", ".join(listed).upper() for kind, listed in DEFAULTS.items()}
    answers = dict(re.findall(r"^\| (STOP|START|HELP) \| (.+) \|$", documentation, re.MULTILINE))
    assert answers == ANSWERS


def test_our_own_answers_fit_one_segment_each() -> None:
    assert ANSWERS.keys() == DEFAULTS.keys()
    for words in ANSWERS.values():
        measured = measure(words)
        assert (measured.encoding, measured.segments) == (Encoding.GSM7, 1)


# --- sets of one's own
def test_words_of_another_language_stand_beside_ours_and_are_answered_in_it() -> None:
    sets = (SPANISH,)
    assert meaning(sets, US, "baja") == Meaning("STOP", "No más.")
    assert meaning(sets, US, "Alta") == Meaning("START", "Hola.")
    assert meaning(sets, US, "ayuda") == Meaning("HELP", ANSWERS["HELP"])
    for opt_out_type, words in DEFAULTS.items():
        for word in words:
            assert meaning(sets, US, word) == Meaning(opt_out_type, ANSWERS[opt_out_type])


def test_an_answer_can_be_none() -> None:
    assert answer((Keywords("es", stop=("ALTO",), stop_answer=""),), "ALTO") == ""


def test_words_may_have_any_letters_and_white_space() -> None:
    sets = (Keywords("el", stop=("ΔΙΑΓΡΑΦΉ",), start=("Je   reviens",)),)
    assert kind(sets, "διαγραφή") == "STOP"
    assert kind(sets, "JE REVIENS ") == "START"


def test_a_set_in_english_takes_the_place_of_ours() -> None:
    sets = (Keywords("en-GB", start=("BEGIN",), stop_answer="Bye."),)
    assert kind(sets, "YES") is None
    assert kind(sets, "BEGIN") == "START"
    assert {word: kind(sets, word) for word in ("START", "UNSTOP")} == {"START": "START", "UNSTOP": "START"}
    for word in DEFAULTS["STOP"]:  # of which it says nothing, and which it answers all the same
        assert meaning(sets, US, word) == Meaning("STOP", "Bye.")
    assert answer(sets, "INFO") == ANSWERS["HELP"]


def test_a_set_that_is_no_language_s_stands_beside_ours() -> None:
    sets = (Keywords(stop=("STOP", "BYE"), stop_answer="Bye."),)
    assert [answer(sets, word) for word in ("stop", "bye", "quit")] == ["Bye.", "Bye.", ANSWERS["STOP"]]


def test_a_set_for_a_country_goes_before_those_for_all_and_is_for_nobody_else() -> None:
    british = Keywords(country="GB", stop=("STOP", "TARA"), stop_answer="Cheerio.")
    sets = (Keywords(stop=("STOP",), stop_answer="Bye."), british)
    assert answer(sets, "STOP", UK) == "Cheerio."
    assert kind(sets, "TARA", UK) == "STOP"
    for elsewhere in (US, SPAIN, UNKNOWN):
        assert answer(sets, "STOP", elsewhere) == "Bye."
        assert kind(sets, "TARA", elsewhere) is None
    assert kind(sets, "QUIT", UK) == "STOP"


def test_a_set_in_english_for_a_country_takes_the_place_of_ours_there() -> None:
    sets = (Keywords("en", "GB", start=("START",)),)
    assert kind(sets, "YES", UK) is None
    assert kind(sets, "YES", US) == "START"


def test_of_two_sets_with_one_word_the_first_is_meant() -> None:
    sets = (Keywords("pt", help=("ALTO",), help_answer="Ajuda."), SPANISH)
    assert meaning(sets, US, "alto") == Meaning("HELP", "Ajuda.")


@pytest.mark.parametrize("sets", [(), (SPANISH,), (Keywords("en", stop=("X",), start=("Y",), help=("Z",)),)])
def test_stop_start_unstop_and_help_are_never_lost(sets: tuple[Keywords, ...]) -> None:
    check(sets)
    for opt_out_type, words in ALWAYS.items():
        assert {kind(sets, word) for word in words} == {opt_out_type}


# --- what cannot be
@pytest.mark.parametrize(
    ("one", "complaint"),
    [
        (Keywords(stop=("",)), "stop: '': a keyword has 1 to 40 characters"),
        (Keywords(help=("\n ",)), "help: '': a keyword has 1 to 40 characters"),
        (Keywords(start=("x" * 41,)), f"start: '{'x' * 41}': a keyword has 1 to 40 characters"),
        (Keywords(stop=("Bye",), start=("BYE ",)), "start: 'bye': it means STOP already"),
        (Keywords(start=("Stop",)), "start: 'stop': it means STOP already"),
        (Keywords(stop=("help",)), "stop: 'help': it means HELP already"),
        (Keywords("en", help=("cancel",)), "help: 'cancel': it means STOP already"),
        (Keywords("spanish!"), "language: spanish!: not a BCP 47 tag such as es or pt-BR"),
        (Keywords(country="UK"), "country: UK: not an ISO 3166 code such as GB"),
        (Keywords(country="gb"), "country: gb: not an ISO 3166 code such as GB"),
        (Keywords(stop_answer="x" * 1601), "an answer is longer than 1600 characters"),
        (Keywords(help_answer="x" * 1601), "an answer is longer than 1600 characters"),
    ],
)
def test_sets_that_say_nothing_or_two_things_are_refused(one: Keywords, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(complaint)}$"):
        check((SPANISH, one))


def test_sets_that_are_fine() -> None:
    check(
        (
            SPANISH,
            Keywords(),
            Keywords("pt-BR", "BR", stop=("SAIR", "sair"), stop_answer="x" * 1600),
            Keywords("en", stop=("STOP",), start=("UNSTOP",), help=("x" * 40,)),
        )
    )
