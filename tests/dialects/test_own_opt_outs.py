"""Opt-outs in our own API's words: parameters, JSON, lines of CSV there and back, sets of keywords."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.arranged import Keywords
from tidings.clock import iso
from tidings.dialects.own_opt_outs import (
    DEFAULT_LIMIT,
    MAX_ENTRIES,
    OptOutListing,
    csv_header,
    csv_lines,
    cursor,
    keywords_json,
    opt_out_json,
    parse_export,
    parse_import,
    parse_keywords,
    parse_list,
    scope_of,
    spelled,
)
from tidings.errors import Problem
from tidings.gateway.keywords import in_one_line
from tidings.model import OptOut

ACCOUNT, SERVICE = "0a" * 16, "0123456789abcdef" * 2
NUMBER, HANDSET, OTHER = "+15005550006", "+15551230000", "+447700900200"
NAME, CODE = "Me & Co", "12345"
SCOPES = frozenset({NUMBER, CODE, NAME, SERVICE})
NOW = 1_795_282_096_000_123


def entry(scope: str = NUMBER, recipient: str = HANDSET, at: int = NOW, keyword: str = "") -> OptOut:
    return OptOut(ACCOUNT, scope, recipient, at, keyword, "import")


def imported(text: str) -> list[OptOut]:
    return parse_import(text.encode(), ACCOUNT, SCOPES, NOW)


def complaint(text: str | bytes) -> str:
    """What is said of lines that are refused."""
    with pytest.raises(Problem) as caught:
        parse_import(text if isinstance(text, bytes) else text.encode(), ACCOUNT, SCOPES, NOW)
    assert caught.value.code == 20422
    detail = str(caught.value.details["detail"])
    assert detail.startswith("Nothing was imported: ")
    return detail.removeprefix("Nothing was imported: ")


# --- scopes
@pytest.mark.parametrize(
    ("given", "kept", "shown"),
    [
        (NUMBER, NUMBER, NUMBER),
        ("+1 (500) 555-0006", NUMBER, NUMBER),
        (CODE, CODE, CODE),
        (NAME, NAME, NAME),
        ("MG" + SERVICE, SERVICE, "MG" + SERVICE),
        ("MG" + SERVICE.upper(), SERVICE, "MG" + SERVICE),
        ("01234567-89ab-cdef-0123-456789abcdef", SERVICE, "MG" + SERVICE),
    ],
)
def test_a_scope_is_a_sender_or_a_service(given: str, kept: str, shown: str) -> None:
    assert scope_of(given) == kept
    assert spelled(kept) == shown


# --- lists
@pytest.mark.parametrize(
    ("query", "listing"),
    [
        ({}, OptOutListing(None, None, DEFAULT_LIMIT, None)),
        ({"scope": "+1 500 555 0006", "limit": "7"}, OptOutListing(NUMBER, None, 7, None)),
        ({"scope": "MG" + SERVICE, "recipient": HANDSET}, OptOutListing(SERVICE, HANDSET, DEFAULT_LIMIT, None)),
        ({"after": f"{NUMBER}/{HANDSET}"}, OptOutListing(None, None, DEFAULT_LIMIT, (NUMBER, HANDSET))),
        ({"after": f"MG{SERVICE}/{HANDSET}"}, OptOutListing(None, None, DEFAULT_LIMIT, (SERVICE, HANDSET))),
    ],
)
def test_a_page_as_it_is_asked_for(query: dict[str, str], listing: OptOutListing) -> None:
    assert parse_list(list(query.items())) == listing


def test_an_export_is_as_long_as_an_import_can_be() -> None:
    assert parse_export([]) == OptOutListing(None, None, MAX_ENTRIES, None)
    assert parse_export([("limit", str(MAX_ENTRIES))]).limit == MAX_ENTRIES


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"scope": ""}, "scope"),
        ({"scope": "é"}, "scope"),
        ({"recipient": ""}, "recipient"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"after": NUMBER}, "after"),
        ({"after": f"/{HANDSET}"}, "after"),
        ({"number": NUMBER}, "number"),
    ],
)
def test_nothing_that_is_asked_is_ignored(query: dict[str, str], name: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_list(list(query.items()))
    assert (caught.value.code, caught.value.details["name"]) == (20422, name)


def test_an_export_is_not_of_one_recipient() -> None:
    with pytest.raises(Problem):
        parse_export([("recipient", HANDSET)])


@pytest.mark.parametrize("scope", sorted(SCOPES))
def test_a_cursor_leads_back_to_its_place(scope: str) -> None:
    assert parse_list([("after", cursor((scope, HANDSET)))]).after == (scope, HANDSET)


def test_an_entry_is_of_a_number_or_of_a_service() -> None:
    shown = opt_out_json(OptOut(ACCOUNT, NUMBER, HANDSET, NOW, "Stop", "keyword"))
    assert shown == {
        "number": NUMBER,
        "service": None,
        "recipient": HANDSET,
        "at": iso(NOW),
        "keyword": "Stop",
        "origin": "keyword",
    }
    of_service = opt_out_json(OptOut(ACCOUNT, SERVICE, HANDSET, NOW, "", "api"))
    assert (of_service["number"], of_service["service"]) == (None, "MG" + SERVICE)
    assert (of_service["keyword"], of_service["origin"]) == (None, "api")


# --- import
def test_lines_without_a_header_have_the_columns_in_their_order() -> None:
    lines = f"{NUMBER},{HANDSET}\n{CODE},{OTHER},STOP\nMG{SERVICE},{HANDSET},,2026-11-21\n{NAME},{HANDSET},a,\n"
    assert imported(lines) == [
        entry(),
        entry(CODE, OTHER, keyword="STOP"),
        entry(SERVICE, at=1_795_219_200_000_000),
        entry(NAME, keyword="a"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"scope,recipient\n{NUMBER},{HANDSET}\n",
        f"Recipient, SCOPE\n{HANDSET},{NUMBER}",
        f"keyword,recipient,at,scope\n,{HANDSET},,{NUMBER}\n",
        f"\ufeffscope,recipient\r\n{NUMBER},{HANDSET}\r\n",
        f'"scope","recipient"\n\n  \n,\n"{NUMBER}"," {HANDSET} "\n',
        f"\n{NUMBER},+1 (555) 123-0000,,\n\n",
    ],
)
def test_a_header_may_name_the_columns_in_any_order(text: str) -> None:
    assert imported(text) == [entry()]


@pytest.mark.parametrize("text", ["", "\n\n", "scope,recipient\n", "\ufeff"])
def test_a_file_without_entries_is_one(text: str) -> None:
    assert imported(text) == []


@pytest.mark.parametrize(
    ("at", "kept"),
    [
        ("2026-11-21T17:28:16.000123Z", NOW),
        ("2026-11-21T18:28:16.000123+01:00", NOW),
        ("2026-11-21T17:28:16Z", NOW - 123),
        ("2026-11-21", 1_795_219_200_000_000),
        ("1969-12-31", 0),
    ],
)
def test_times_have_their_offset(at: str, kept: int) -> None:
    assert imported(f"{NUMBER},{HANDSET},,{at}") == [entry(at=kept)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"+15005550007,{HANDSET}", "scope: +15005550007: not a sender or service of this account"),
        (f"MG{'0' * 32},{HANDSET}", f"scope: MG{'0' * 32}: not a sender or service of this account"),
        (f",{HANDSET}", "scope: nothing: not a sender or service of this account"),
        (f"{NUMBER},5551230000", "recipient: 5551230000: not a phone number in E.164: + and its digits"),
        (f"{NUMBER},", "recipient: nothing: not a phone number in E.164: + and its digits"),
        (NUMBER, "recipient: nothing: not a phone number in E.164: + and its digits"),
        (f"{NUMBER},{HANDSET},{'x' * 41}", f"keyword: {'x' * 41}: longer than 40 characters"),
        (
            f"{NUMBER},{HANDSET},,yesterday",
            "at: yesterday: not YYYY-MM-DD, nor YYYY-MM-DDThh:mm:ss with Z or an offset such as +01:00",
        ),
        (f"{NUMBER},{HANDSET},,2026-02-30", "at: 2026-02-30: day is out of range for month"),
        (f"{NUMBER},{HANDSET},,,", "it has 5 columns, and there are 4"),
        (f'"{NUMBER}"x,{HANDSET}', "',' expected after '\"'"),
    ],
)
def test_one_bad_line_is_named_and_keeps_the_others_out(line: str, said: str) -> None:
    assert complaint(f"{NUMBER},{HANDSET}\n\n{line}\n") == f"line 3: {said}"


def test_a_quote_that_is_never_closed_is_no_line() -> None:
    assert complaint(f'{NUMBER},{HANDSET}\n"{NUMBER},{HANDSET}\n') == "line 2: unexpected end of data"


def test_several_bad_lines_are_named_at_once() -> None:
    bad = "".join(f"{NUMBER},{number}\n" for number in range(12))
    said = complaint(f"scope,recipient\n{NUMBER},{HANDSET}\n{bad}").split("; ")
    reason = "not a phone number in E.164: + and its digits"
    assert said == [*(f"line {3 + number}: recipient: {number}: {reason}" for number in range(10)), "and 2 more"]


def test_a_cell_is_not_repeated_whole() -> None:
    assert complaint(f"{NUMBER},{'9' * 5000}").startswith(f"line 1: recipient: {'9' * 50}: not ")


@pytest.mark.parametrize(
    "header", ["recipient", "scope,recipient,colour", "scope,recipient,recipient", "number,recipient,keyword,at"]
)
def test_a_header_that_names_other_columns_is_refused(header: str) -> None:
    said = complaint(f"{header}\n{NUMBER},{HANDSET}\n")
    assert said == "line 1: the columns are scope, recipient, keyword, at, and the last two can be left out"


def test_what_is_no_text_is_refused() -> None:
    for content, code in ((f"{NUMBER},{HANDSET},é".encode("latin-1"), 20001), (b"a\0b", 20422)):
        with pytest.raises(Problem) as caught:
            parse_import(content, ACCOUNT, SCOPES, NOW)
        assert caught.value.code == code


@pytest.mark.parametrize("header", ["", "scope,recipient\n"])
def test_there_is_a_limit_to_entries(header: str) -> None:
    line = f"{NUMBER},{HANDSET}\n"
    assert len(imported(header + line * MAX_ENTRIES)) == MAX_ENTRIES
    with pytest.raises(Problem) as caught:
        imported(header + line * (MAX_ENTRIES + 1))
    assert caught.value.code == 20413


# --- export
_ENTRIES = st.builds(
    entry,
    st.sampled_from(sorted(SCOPES)),
    st.from_regex(r"\+1555[0-9]{7}", fullmatch=True),
    st.integers(0, 2**52),
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40).map(in_one_line),
)


@given(st.lists(_ENTRIES))
def test_what_is_exported_can_be_imported(entries: list[OptOut]) -> None:
    content = csv_header() + csv_lines(entries)
    assert parse_import(content, ACCOUNT, SCOPES, 0) == entries


def test_lines_as_they_are_exported() -> None:
    lines = csv_header() + csv_lines([entry(keyword="STOP"), entry(SERVICE, OTHER), entry(NAME, keyword='a, "b"')])
    assert lines.decode() == (
        "scope,recipient,keyword,at\n"
        f"{NUMBER},{HANDSET},STOP,2026-11-21T17:28:16.000123Z\n"
        f"MG{SERVICE},{OTHER},,2026-11-21T17:28:16.000123Z\n"
        f'{NAME},{HANDSET},"a, ""b""",2026-11-21T17:28:16.000123Z\n'
    )


# --- keywords
SPANISH = {
    "language": "es",
    "country": "",
    "stop": ["ALTO"],
    "start": ["ALTA"],
    "help": [],
    "stop_answer": "No más.",
    "start_answer": None,
    "help_answer": "",
}


def test_sets_of_keywords_are_read_and_shown() -> None:
    sets = parse_keywords({"keywords": [SPANISH, {"country": "GB", "stop": [" ta  ra "]}]})
    spanish = Keywords("es", stop=("ALTO",), start=("ALTA",), stop_answer="No más.", help_answer="")
    assert sets == (spanish, Keywords(country="GB", stop=("ta ra",)))
    assert parse_keywords({"keywords": []}) == ()
    assert keywords_json(sets) == {"keywords": [*sets]}


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "Object missing required field `keywords`"),
        ({"keywords": {}}, "Expected `array`, got `object` - at `$.keywords`"),
        ({"keywords": [], "words": []}, "Object contains unknown field `words`"),
        ({"keywords": [{"stops": []}]}, "Object contains unknown field `stops` - at `$.keywords[0]`"),
        ({"keywords": [{"stop": [1]}]}, "Expected `str`, got `int` - at `$.keywords[0].stop[0]`"),
        ({"keywords": [{}] * 101}, "Expected `array` of length <= 100 - at `$.keywords`"),
        ({"keywords": [{"stop": [" "]}]}, "stop: '': a keyword has 1 to 40 characters"),
        ({"keywords": [{"stop": ["a"], "help": ["A"]}]}, "help: 'a': it means STOP already"),
        ({"keywords": [{"stop_answer": "x" * 1601}]}, "an answer is longer than 1600 characters"),
    ],
)
def test_other_sets_are_refused(members: dict[str, Any], reason: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_keywords(members)
    assert (caught.value.code, caught.value.details["reason"]) == (20422, reason)
