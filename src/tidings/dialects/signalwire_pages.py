"""Pages of what an account has few of: numbers, groups, applications. They are cut from the whole of it.

Called by the dialect `signalwire_numbers`. Newest first, and as in every list of
SignalWire's a page continues behind the last object of the page before.
"""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar


class _Dated(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def created_at(self) -> int: ...


D = TypeVar("D", bound=_Dated)


def cut(
    found: Iterable[D], size: int, after: str | None, keep: Callable[[D], bool] = lambda _: True
) -> tuple[list[D], str | None]:
    """The page of up to `size` of those to `keep` that are older than the one with the id `after`, and the id that
    it ends with where another page follows.

    Raises LookupError where `after` is none of `found`: it has gone since it was given out, or never was there.
    """
    ordered = sorted(found, key=lambda one: (one.created_at, one.id), reverse=True)
    ids = [one.id for one in ordered]
    if after is not None and after not in ids:
        raise LookupError(after)
    start = 0 if after is None else ids.index(after) + 1
    kept = [one for one in ordered[start:] if keep(one)]
    shown = kept[:size]
    return shown, shown[-1].id if len(kept) > size else None
