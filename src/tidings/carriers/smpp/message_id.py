"""How a carrier's message ids are spelled: in submit_sm_resp one way, in receipts often another.

The carrier stores a segment under `stored_key` when submit_sm_resp comes, and names `lookup_keys` when its
receipt comes; two spellings of one id meet in an equal key. Which hit to believe is the gateway's to decide.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Literal

import msgspec

Base = Literal["auto", "exact", "response_hex", "receipt_hex"]


class IdRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A carrier's habits with ids (a profile's `[ids]`)."""

    base: Base = "auto"
    """exact: the same number base on both sides. response_hex: submit_sm_resp in hex, receipts in decimal (Kannel
    msg-id-type bit 0 alone). receipt_hex: the other way round. auto: try them all."""
    truncate_to: int | None = None
    """Receipts cut ids to this many characters (SMPP 3.3 stacks: 10, 16 or 20)."""
    strip_tail: tuple[str, ...] = ()
    """What begins a tail that is not part of the id: "@" for "38601fa@15551230000"."""
    drop_dashes: bool = False
    """One side drops the dashes of its UUIDs."""
    part_suffix: str | None = None
    """Regular expression for a part number that receipts append; its one group is the number: ":(\\d+)"."""

    def __post_init__(self) -> None:
        if self.truncate_to is not None and self.base != "exact":
            raise ValueError('truncate_to needs base = "exact": a number that was cut cannot be converted')
        if self.truncate_to is not None and self.truncate_to < 1:
            raise ValueError("truncate_to must be at least 1")
        if "" in self.strip_tail:
            raise ValueError("strip_tail holds an empty string")
        if self.part_suffix is not None:
            try:
                groups = re.compile(self.part_suffix).groups
            except re.error as error:
                raise ValueError(f"part_suffix is no regular expression: {error}") from None
            if groups != 1:
                raise ValueError(f"part_suffix must have exactly one group, it has {groups}")


PLAIN = IdRules()

_PADDING = " \t\r\n\0"
_HEX = re.compile(r"[0-9a-f]+").fullmatch
_DECIMAL = re.compile(r"[0-9]+").fullmatch
# Numbers are at most 64 bits wide; anything longer is an opaque token (a UUID without dashes has 32 digits).
_LONGEST_DECIMAL = 20
_LONGEST_HEX = 16


def stored_key(carrier_id: str, rules: IdRules = PLAIN) -> str:
    """The canonical spelling of an id, the same for both sides; "" for an id without characters.

    Case is folded, and leading zeros go where the whole id is made of hex digits, so that "0059113978" and
    "59113978", "38601FA" and "38601fa" are one; a dashed UUID keeps its zeros. Idempotent.
    """
    key = carrier_id.strip(_PADDING).casefold()
    if rules is not PLAIN:
        key = _apply(rules, key)
    if key[:1] == "0" and _HEX(key):
        key = key.lstrip("0") or "0"
    return key


def lookup_keys(receipt_id: str, rules: IdRules = PLAIN) -> tuple[tuple[str, str], ...]:
    """(rule, key) pairs under which the segment of a receipt may be stored, best first; see `candidates`."""
    return candidates((receipt_id,), rules)


def candidates(receipt_ids: Iterable[str], rules: IdRules = PLAIN) -> tuple[tuple[str, str], ...]:
    """`lookup_keys` of a receipt that names several ids, the most trusted first.

    Ordered by rule, then by id, no key twice. Rules are `exact`, `decimal_to_hex`, `hex_to_decimal` and
    `part:N`: the receipt is for part N of the message stored under the key.
    """
    found: dict[str, str] = {}
    keys = [key for receipt_id in receipt_ids if (key := stored_key(receipt_id, rules))]
    for name, convert in _RULES[rules.base]:
        for key in keys:
            if spelling := convert(key):
                found.setdefault(spelling, name)
    if rules.part_suffix is not None:
        for key in keys:
            if match := _suffix(rules.part_suffix)(key):
                found.setdefault(stored_key(key[: match.start()], rules), f"part:{match[1]}")
    return tuple([(name, key) for key, name in found.items()])


def _apply(rules: IdRules, key: str) -> str:
    for mark in rules.strip_tail:
        head, _, _ = key.partition(mark.casefold())
        key = head or key
    if rules.drop_dashes:
        key = key.replace("-", "") or key
    return key[: rules.truncate_to].strip(_PADDING)


def _exact(key: str) -> str:
    return key


def _decimal_to_hex(key: str) -> str | None:
    return f"{int(key):x}" if len(key) <= _LONGEST_DECIMAL and _DECIMAL(key) else None


def _hex_to_decimal(key: str) -> str | None:
    return str(int(key, 16)) if len(key) <= _LONGEST_HEX and _HEX(key) else None


_Rule = tuple[str, Callable[[str], str | None]]
_EXACT: _Rule = ("exact", _exact)
_TO_HEX: _Rule = ("decimal_to_hex", _decimal_to_hex)
_TO_DECIMAL: _Rule = ("hex_to_decimal", _hex_to_decimal)

# A stated base comes first, the exact spelling after it: some carriers convert the text and not the TLV.
_RULES: dict[Base, tuple[_Rule, ...]] = {
    "auto": (_EXACT, _TO_HEX, _TO_DECIMAL),
    "exact": (_EXACT,),
    "response_hex": (_TO_HEX, _EXACT),
    "receipt_hex": (_TO_DECIMAL, _EXACT),
}


@lru_cache(maxsize=64)
def _suffix(pattern: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile(f"(?:{pattern})$").search
