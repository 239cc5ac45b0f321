"""Pages that are cut from all there is of something."""

import msgspec
import pytest

from tidings.dialects.signalwire_pages import cut


class Thing(msgspec.Struct, frozen=True):
    id: str
    created_at: int


# Ids do not tell their age: those of numbers are random.
THINGS = [Thing("b", 1), Thing("d", 2), Thing("a", 2), Thing("c", 3), Thing("e", 0)]


def ids(size: int, after: str | None = None, kept: str = "abcde") -> tuple[str, str | None]:
    shown, last = cut(THINGS, size, after, lambda thing: thing.id in kept)
    return "".join(thing.id for thing in shown), last


@pytest.mark.parametrize(
    ("size", "after", "kept", "page"),
    [
        (5, None, "abcde", ("cdabe", None)),
        (2, None, "abcde", ("cd", "d")),
        (2, "d", "abcde", ("ab", "b")),
        (2, "b", "abcde", ("e", None)),
        (2, "e", "abcde", ("", None)),
        (1, None, "abe", ("a", "a")),
        # The last one of a page may have come to be none of those to keep.
        (1, "a", "be", ("b", "b")),
        (9, None, "", ("", None)),
    ],
)
def test_pages_go_newest_first(size: int, after: str | None, kept: str, page: tuple[str, str | None]) -> None:
    assert ids(size, after, kept) == page


def test_pages_together_show_everything_once() -> None:
    for size in range(1, 7):
        seen, after = "", None
        while True:
            shown, after = ids(size, after)
            seen += shown
            if after is None:
                break
        assert seen == "cdabe"


def test_what_has_gone_is_no_place_to_go_on_from() -> None:
    with pytest.raises(LookupError):
        ids(2, "x")
