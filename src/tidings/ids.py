"""One 128-bit number names every object; each dialect only spells it differently.

Ids are UUIDv7 (RFC 9562 §5.7): they sort by time, so newest-first lists and page tokens need no other order.
Inside Tidings an id is its 32 lower-case hex digits. Called wherever something new is kept, and by dialects.
"""

import os
import re
from collections.abc import Iterator
from typing import Final

_HEX32: Final = re.compile(r"[0-9a-fA-F]{32}")
_SID: Final = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
_DASHED: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_STANDSTILL: Final = 1000 << 12
"""A clock that is behind the last id by less than this (a second, in stamps) is being corrected: ids go on."""

_VERSION: Final = 0x7 << 76
_VARIANT: Final = 0b10 << 62

_last_stamp = 0


def _random_words() -> Iterator[int]:
    """64-bit numbers from the system's source, many a call: one call each would cost more than all the rest."""
    while True:
        yield from memoryview(os.urandom(4096)).cast("Q")


_random = _random_words()


def new_id(now: int) -> str:
    """A fresh id for `now` (microseconds since 1970): 32 hex digits, greater than the one made here before.

    The 12 bits after the version hold the fraction of the millisecond (RFC 9562 §6.2, method 3); while the clock
    stands still, or is set back by less than a second, the stamp counts on from the last one. A clock that was
    wrong by more is followed: lists by date rely on ids that tell their time.
    """
    global _last_stamp
    milliseconds, micros = divmod(now, 1000)
    stamp = milliseconds << 12 | (micros << 12) // 1000
    if 0 <= _last_stamp - stamp < _STANDSTILL:
        stamp = _last_stamp + 1
    _last_stamp = stamp
    return f"{stamp >> 12 << 80 | _VERSION | (stamp & 0xFFF) << 64 | _VARIANT | next(_random) >> 2:032x}"


def random_hex() -> str:
    """32 random hex digits: for what needs a name and no place in time."""
    return os.urandom(16).hex()


def floor_id(at: int) -> str:
    """The smallest id that an object made at `at` (microseconds since 1970) can have: a bound for lists."""
    return f"{max(at, 0) // 1000:012x}" + "0" * 20


def sid(prefix: str, id_: str) -> str:
    """Twilio's spelling: `SM` + 32 hex digits."""
    return prefix + id_


def dashed(id_: str) -> str:
    """SignalWire's spelling, a UUID in 8-4-4-4-12."""
    return f"{id_[:8]}-{id_[8:12]}-{id_[12:16]}-{id_[16:20]}-{id_[20:]}"


def from_sid(text: str, *prefixes: str) -> str | None:
    """The id a SID spells, or None where `text` is no SID with one of `prefixes`."""
    if _SID.fullmatch(text) and text[:2] in prefixes:
        return text[2:].lower()
    return None


def from_project(text: str) -> str | None:
    """The id that a dashed UUID names, as SignalWire spells ids; None where `text` is none."""
    return text.replace("-", "").lower() if _DASHED.fullmatch(text) else None


def from_any(text: str) -> str | None:
    """The id that any dialect's spelling names (SID, dashed UUID, bare hex), or None."""
    if _HEX32.fullmatch(text):
        return text.lower()
    if _SID.fullmatch(text):
        return text[2:].lower()
    return from_project(text)
