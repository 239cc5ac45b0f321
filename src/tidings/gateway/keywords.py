"""Which words of a handset mean that it wants out, in again, or help: pure; `optout` asks of every message.

A keyword is a whole message, in any case. Sets for the handset's country go before those that are for everybody,
and ours comes last, where none of the others is in English. What a set in English does not list it has from ours.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from tidings import phone
from tidings.arranged import Keywords

OptOutType = Literal["STOP", "START", "HELP"]
"""Twilio's words for what a handset wants, however it says so."""
_Words = Mapping[OptOutType, tuple[str, ...]]

DEFAULTS: Final[_Words] = {
    "STOP": ("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"),
    "START": ("start", "yes", "unstop"),
    "HELP": ("help", "info"),
}
"""Twilio's default keywords."""
ALWAYS: Final[_Words] = {"STOP": ("stop",), "START": ("start", "unstop"), "HELP": ("help",)}
"""Those that are always there, whatever else is (Twilio: Advanced Opt-Out)."""
ANSWERS: Final[Mapping[OptOutType, str]] = {
    "STOP": "You will get no more messages from this sender. Send START to get them again.",
    "START": "You will get messages from this sender again. Send STOP to end them, HELP for help.",
    "HELP": "Send STOP to get no more messages from this sender, START to get them again.",
}
"""Where a set has none of its own."""
MAX_ANSWER: Final = 1600
"""Characters: as many as a message can have (21617)."""
MAX_WORD: Final = 40
"""Characters of a keyword."""

_OURS: Final = Keywords("en")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class Meaning(NamedTuple):
    kind: OptOutType
    answer: str
    """"" where there is to be none."""


def meaning(sets: tuple[Keywords, ...], handset: str, keyword: str) -> Meaning | None:
    """What `keyword` (`in_one_line`) means from a handset, whose number is in E.164; None where it is none."""
    country = phone.country(handset) if any(one.country for one in sets) else None
    return _lexicon(sets, country).get(keyword.casefold())


def in_one_line(text: str) -> str:
    """Less the white space around it, and with one space wherever there is some in it."""
    return " ".join(text.split())


def check(sets: Sequence[Keywords]) -> None:
    """Raises ValueError where a set says nothing, or says two things."""
    for one in sets:
        if one.language and not _LANGUAGE.fullmatch(one.language):
            raise ValueError(f"language: {one.language}: not a BCP 47 tag such as es or pt-BR")
        if one.country and not phone.is_country(one.country):
            raise ValueError(f"country: {one.country}: not an ISO 3166 code such as GB")
        _check_words(one)
        for answer in (one.stop_answer, one.start_answer, one.help_answer):
            if answer is not None and len(answer) > MAX_ANSWER:
                raise ValueError(f"an answer is longer than {MAX_ANSWER} characters")


def _check_words(one: Keywords) -> None:
    known: dict[str, OptOutType] = {word: kind for kind, words in ALWAYS.items() for word in words}
    for kind, words, _ in _lists(one):
        for word in words:
            if not 1 <= len(word) <= MAX_WORD:
                raise ValueError(f"{kind.lower()}: {word!r}: a keyword has 1 to {MAX_WORD} characters")
            if known.setdefault(word, kind) != kind:
                raise ValueError(f"{kind.lower()}: {word!r}: it means {known[word]} already")


@lru_cache(maxsize=1024)
def _lexicon(sets: tuple[Keywords, ...], country: str | None) -> Mapping[str, Meaning]:
    applying = [one for one in sets if one.country and one.country == country]
    applying += [one for one in sets if not one.country]
    if not any(map(_is_english, applying)):
        applying.append(_OURS)
    lexicon: dict[str, Meaning] = {}
    for one in applying:
        for kind, words, answer in _lists(one):
            for word in words:
                lexicon.setdefault(word, Meaning(kind, ANSWERS[kind] if answer is None else answer))
    return lexicon


def _lists(one: Keywords) -> Iterator[tuple[OptOutType, tuple[str, ...], str | None]]:
    """What a set means, by which words, as they are compared, and the answer to them."""
    given: tuple[tuple[OptOutType, tuple[str, ...], str | None], ...] = (
        ("STOP", one.stop, one.stop_answer),
        ("START", one.start, one.start_answer),
        ("HELP", one.help, one.help_answer),
    )
    for kind, words, answer in given:
        compared = tuple(in_one_line(word).casefold() for word in words)
        if _is_english(one):
            compared = (*ALWAYS[kind], *(compared or DEFAULTS[kind]))
        yield kind, compared, answer


def _is_english(one: Keywords) -> bool:
    return one.language.partition("-")[0].lower() == "en"
