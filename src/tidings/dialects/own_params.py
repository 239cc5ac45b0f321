"""Parameters of our own API, read one by one: what its dialect modules read forms and queries with.

Nothing that is given is ignored: a parameter that is not known, cannot be read or comes twice is refused.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from tidings.clock import DAY, micros
from tidings.errors import Problem

W = TypeVar("W", bound=str)

Params = Sequence[tuple[str, str]]
"""Decoded form or query parameters."""
Reader = Callable[[str], Any]
"""What a parameter says. Raises ValueError with the reason where it says nothing, for people."""

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(?P<time>T\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d))?", re.ASCII)
_LATEST: Final = micros(datetime.max)


def read(params: Params, readers: Mapping[str, Reader], several: Container[str] = ()) -> dict[str, Any]:
    """What each parameter says; those that may come more than once (`several`), a tuple. Raises Problem 20422."""
    given: dict[str, Any] = {}
    for name, value in params:
        if name not in readers:
            raise Problem(20422, name=name, reason="there is no such parameter here")
        if name in given and name not in several:
            raise Problem(20422, name=name, reason="it can be given only once")
        try:
            said = readers[name](value)
        except ValueError as error:
            raise Problem(20422, name=name, value=value, reason=str(error)) from None
        given[name] = tuple({**dict.fromkeys(given.get(name, ())), said: None}) if name in several else said
    return given


def parse_nothing(params: Params) -> None:
    """Refuse whatever is given where nothing can be: it would be ignored. Raises Problem 20422."""
    read(params, {})


def choice(words: Iterable[W]) -> Callable[[str], W]:
    """A reader of one of `words`."""
    known = {str(word): word for word in words}

    def read_choice(text: str) -> W:
        if text not in known:
            raise ValueError(f"not one of {', '.join(known)}")
        return known[text]

    return read_choice


def number(most: int) -> Callable[[str], int]:
    """A reader of a whole number from 1 to `most`."""

    def read_number(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
            raise ValueError(f"not a number from 1 to {most}")
        return int(text)

    return read_number


def time(end: bool) -> Callable[[str], int]:
    """A reader of a date, of which the `end` or the start counts, in UTC; or of a time."""

    def read_time(text: str) -> int:
        found = _TIME.fullmatch(text)
        if found is None:
            raise ValueError("not YYYY-MM-DD, nor YYYY-MM-DDThh:mm:ss with Z or an offset such as +01:00")
        at = micros(datetime.fromisoformat(text))
        if end and found["time"] is None:
            at += DAY
        # Nothing is older than 1970, and beyond the other bound `iso` has no words.
        return min(max(at, 0), _LATEST)

    return read_time
