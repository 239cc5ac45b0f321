"""Opt-outs in our own API's words: entries of the list as JSON and as CSV, and the keywords of a service.

Called by the web room of the same name. A scope is spelled as the number, short code or sender name that it is, or
as MG and the id of the service.
"""

import csv
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from io import StringIO
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from tidings import phone
from tidings.arranged import Keywords
from tidings.clock import iso
from tidings.dialects.own_params import Params, Reader, number, read, time
from tidings.errors import Problem
from tidings.gateway.keywords import MAX_WORD, check, in_one_line
from tidings.ids import from_any, sid
from tidings.model import OptOut

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000
"""Entries a page."""
MAX_ENTRIES: Final = 50_000
"""Entries of one import, and of one page of an export: what the one gives the other takes."""
MAX_IMPORT: Final = 16 * 1024 * 1024
"""Octets: more than any page of an export has."""
NO_NUMBER: Final = "not a phone number in E.164: + and its digits"
"""Why somebody is no recipient."""
COLUMNS: Final = ("scope", "recipient", "keyword", "at")
MAX_SETS: Final = 100
"""Sets of keywords that a service can have."""

_FAULTS: Final = 10
"""Lines that are complained of at once."""
_SHOWN: Final = 50
"""Characters of a cell that are shown of one that is wrong."""
_ADDRESS: Final = re.compile(r"[ -~]+")
_CURSOR: Final = re.compile(r"([ -.0-~]+)/([ -~]+)")
_at: Final = time(end=False)


# --- scopes and recipients
def scope_of(spelled: str) -> str:
    """`OptOut.scope`, as it is kept."""
    return from_any(spelled) or address(spelled)


def spelled(scope: str) -> str:
    service = from_any(scope)
    return sid("MG", service) if service else scope


def address(text: str) -> str:
    """E.164 where it is a number, however it is written."""
    return phone.e164(text) or text


# --- the list
class OptOutListing(msgspec.Struct, frozen=True):
    """One page of the list, as it was asked for."""

    scope: str | None
    recipient: str | None
    limit: int
    after: tuple[str, str] | None
    """Scope and recipient of the last entry of the page before."""


def parse_list(query: Params) -> OptOutListing:
    """Raises Problem 20422 for a parameter that is not known or cannot be read."""
    return _listing(read(query, _LISTING), DEFAULT_LIMIT)


def parse_export(query: Params) -> OptOutListing:
    """Raises as `parse_list` does."""
    return _listing(read(query, _EXPORT), MAX_ENTRIES)


def _listing(given: Mapping[str, Any], limit: int) -> OptOutListing:
    return OptOutListing(given.get("scope"), given.get("recipient"), given.get("limit", limit), given.get("after"))


def _scope(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("neither a sender nor a service")
    return scope_of(text)


def _recipient(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("not a number")
    return address(text)


def _after(text: str) -> tuple[str, str]:
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise ValueError("not a cursor that this list gave out")
    return scope_of(found[1]), found[2]


_EXPORT: Final[Mapping[str, Reader]] = {
    "scope": _scope,
    "limit": number(MAX_ENTRIES),
    "after": _after,
}
_LISTING: Final[Mapping[str, Reader]] = {**_EXPORT, "recipient": _recipient, "limit": number(MAX_LIMIT)}


def cursor(last: tuple[str, str]) -> str:
    """By which the page behind this scope and recipient is asked for."""
    scope, recipient = last
    return f"{spelled(scope)}/{recipient}"


def opt_out_json(entry: OptOut) -> dict[str, Any]:
    service = from_any(entry.scope)
    return {
        "number": None if service else entry.scope,
        "service": sid("MG", service) if service else None,
        "recipient": entry.recipient,
        "at": iso(entry.at),
        "keyword": entry.keyword or None,
        "origin": entry.origin,
    }


# --- the list as CSV (RFC 4180)
def csv_lines(entries: Iterable[OptOut]) -> bytes:
    """A line each, which `parse_import` takes."""
    return _csv((spelled(one.scope), one.recipient, one.keyword, iso(one.at)) for one in entries)


def csv_header() -> bytes:
    return _csv([COLUMNS])


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def parse_import(content: bytes, account: str, scopes: Container[str], now: int) -> list[OptOut]:
    """The entries that a file's lines say, which are all good, or none of them is taken.

    `scopes`: those there can be. The first line may name the columns, in any order. Raises Problem: 20001 not in
    UTF-8, 20413 too many entries, 20422 lines that are wrong, with their numbers.
    """
    rows = _rows(content)
    columns = _columns(rows[0][1]) if rows else COLUMNS
    if columns is not COLUMNS:
        rows = rows[1:]
    _check_number(len(rows))
    entries, faults = [], []
    for line, cells in rows:
        try:
            entries.append(_entry(cells, columns, account, scopes, now))
        except ValueError as error:
            faults.append(f"line {line}: {error}")
    if faults:
        more = [f"and {len(faults) - _FAULTS} more"] if len(faults) > _FAULTS else []
        raise _refused("; ".join([*faults[:_FAULTS], *more]))
    return entries


def _rows(content: bytes) -> list[tuple[int, list[str]]]:
    """The number of each line, and its cells; less those that are empty."""
    if b"\0" in content:
        raise Problem(20422, reason="NUL is not a character of any text")
    try:
        text = content.decode("utf-8-sig")  # Excel begins what it saves as UTF-8 with a byte order mark
    except UnicodeDecodeError:
        raise Problem(20001, reason="the lines are not in UTF-8") from None
    rows = []
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            cells = [in_one_line(cell) for cell in row]
            if any(cells):
                rows.append((reader.line_num, cells))
            _check_number(len(rows) - 1)  # one may name the columns
    except csv.Error as error:
        raise _refused(f"line {reader.line_num}: {error}") from None
    return rows


def _check_number(entries: int) -> None:
    if entries > MAX_ENTRIES:
        raise Problem(20413, reason=f"an import can have {MAX_ENTRIES} entries")


def _columns(first: Sequence[str]) -> Sequence[str]:
    """What the first line names; COLUMNS where it is an entry already."""
    named = [cell.casefold() for cell in first]
    if "recipient" not in named:
        return COLUMNS
    if "scope" not in named or len(set(named)) < len(named) or not set(named).issubset(COLUMNS):
        raise _refused(f"line 1: the columns are {', '.join(COLUMNS)}, and the last two can be left out")
    return named


def _refused(why: str) -> Problem:
    return Problem(20422, detail=f"Nothing was imported: {why}")


def _entry(cells: Sequence[str], columns: Sequence[str], account: str, scopes: Container[str], now: int) -> OptOut:
    """Raises ValueError, for people."""
    if len(cells) > len(columns):
        raise ValueError(f"it has {len(cells)} columns, and there are {len(columns)}")
    given = {**dict.fromkeys(COLUMNS, ""), **dict(zip(columns, cells, strict=False))}
    scope, recipient = scope_of(given["scope"]), phone.e164(given["recipient"])
    if scope not in scopes:
        raise ValueError(f"scope: {_shown(given['scope'])}: not a sender or service of this account")
    if recipient is None:
        raise ValueError(f"recipient: {_shown(given['recipient'])}: {NO_NUMBER}")
    if len(given["keyword"]) > MAX_WORD:
        raise ValueError(f"keyword: {_shown(given['keyword'])}: longer than {MAX_WORD} characters")
    try:
        at = _at(given["at"]) if given["at"] else now
    except ValueError as error:
        raise ValueError(f"at: {_shown(given['at'])}: {error}") from None
    return OptOut(account, scope, recipient, at, given["keyword"], "import")


def _shown(cell: str) -> str:
    return cell[:_SHOWN] or "nothing"


# --- keywords of a service
class _Sets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keywords: Annotated[tuple[Keywords, ...], Meta(max_length=MAX_SETS)]


def parse_keywords(members: dict[str, Any]) -> tuple[Keywords, ...]:
    """Raises Problem 20422 where they are not sets of keywords, or say two things."""
    try:
        sets = tuple(map(_tidied, msgspec.convert(members, _Sets).keywords))
        check(sets)
    except ValueError as error:
        raise Problem(20422, reason=str(error)) from None
    return sets


def _tidied(one: Keywords) -> Keywords:
    lists = {name: tuple(map(in_one_line, getattr(one, name))) for name in ("stop", "start", "help")}
    return msgspec.structs.replace(one, **lists)


def keywords_json(sets: Sequence[Keywords]) -> dict[str, Any]:
    return {"keywords": list(sets)}
