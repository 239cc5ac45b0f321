"""The catalogue, held against the sources: each code is met where they write it, and tests produce what is met."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tidings.carriers.smpp import profile
from tidings.errors import CATALOGUE, Met
from tidings.gateway import origin

TESTS = Path(__file__).parent
SOURCES = TESTS.parent / "src" / "tidings"

# --- what the sources write
TWILIO, SIGNALWIRE, OURS, MESSAGE, CARRIER, PROFILE, CALLBACK = Met
BOTH, NOBODY = TWILIO | SIGNALWIRE, Met(0)
PLACES: dict[str, Met] = {
    "answering/": CALLBACK,
    "app.py": OURS,
    "callbacks/": CALLBACK,
    "callbacks/replays.py": OURS,
    "carriers/": CARRIER,
    "dialects/listing.py": BOTH,
    "dialects/markup.py": CALLBACK,
    "dialects/numbers.py": BOTH,
    "dialects/numbers.py:Terms": SIGNALWIRE,
    "dialects/numbers.py:_check_fallback": TWILIO,
    "dialects/own": OURS,
    "dialects/signalwire": SIGNALWIRE,
    "dialects/signalwire_compat_errors.py": NOBODY,  # SignalWire's numbers for them
    "dialects/signalwire_resources.py:<module>": NOBODY,  # one of `swml_document`, to know it by
    "dialects/swml": CALLBACK,
    "dialects/twilio": TWILIO,
    "gateway/": MESSAGE,
    "gateway/erasure.py": BOTH,
    "gateway/feedback.py": TWILIO,
    "gateway/origin.py": BOTH | CALLBACK | MESSAGE,
    "gateway/origin.py:<module>": MESSAGE,
    "gateway/rehearsal.py": TWILIO,
    "gateway/schedule.py:Schedule.cancel": TWILIO,
    "gateway/schedule.py:Schedule.check": TWILIO,
    "gateway/services.py:Services._found": BOTH | MESSAGE,
    "gateway/services.py:Services.check": BOTH,
    "gateway/services.py:Services.choose": SIGNALWIRE | MESSAGE,  # Twilio's API has answered by then
    "gateway/submit.py": BOTH | CALLBACK,  # the latter where it is a reply to an inbound message
    "gateway/submit.py:Submitter._earlier": BOTH,
    "gateway/submit.py:_too_dear": MESSAGE,
    "relay/": SIGNALWIRE,
    "relay/hub.py:<module>": CALLBACK,
    "relay/session.py:<module>": CALLBACK,
    "web/": BOTH | OURS,
    "web/callbacks.py": OURS,
    "web/media.py": OURS,
    "web/monitor.py": TWILIO,
    "web/numbers.py": BOTH,
    "web/orders.py": BOTH,
    "web/own": OURS,
    "web/senders.py": BOTH,
    "web/senders.py:take_first": TWILIO,
    "web/signalwire": SIGNALWIRE,
    "web/simulator.py": OURS,
    "web/twilio": TWILIO,
}
"""Beginning of a path and function → who meets the codes that are written there; the longest one holds."""
RAISED = frozenset({"Failed", "Note", "Problem", "Unusable"})
"""What is made with a code first."""


class Codes(ast.NodeVisitor):
    """Codes that a module gives to somebody, each with the function it does that in.

    One that is only compared with, or looked up, is given elsewhere. Quantities are written in another way than
    codes: 10_000.
    """

    def __init__(self, source: str) -> None:
        self.found: list[tuple[str, int]] = []
        self.unknown: list[int] = []
        self._lines = source.encode().splitlines()
        self._names: list[str] = []
        self.visit(ast.parse(source))

    def visit_Compare(self, node: ast.Compare) -> None:
        pass

    def visit_Dict(self, node: ast.Dict) -> None:
        for value in node.values:
            self.visit(value)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in RAISED and node.args:
            match node.args[0]:
                case ast.Constant(value=int(code)) if code not in CATALOGUE:
                    self.unknown.append(code)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        written = self._lines[node.lineno - 1][node.col_offset : node.end_col_offset]
        if type(node.value) is int and node.value in CATALOGUE and b"_" not in written:
            self.found.append((".".join(self._names) or "<module>", node.value))

    def _visit_named(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        self._names.append(node.name)
        self.generic_visit(node)
        self._names.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _visit_named  # noqa: N815


@cache
def given() -> list[tuple[str, int]]:
    """Path and function, and a code that it gives to somebody."""
    found = []
    for path in SOURCES.rglob("*.py"):
        name = path.relative_to(SOURCES).as_posix()
        if name != "errors.py":
            found += [(f"{name}:{function}", code) for function, code in Codes(path.read_text("utf-8")).found]
    return found


def place(where: str) -> str:
    """The one of PLACES that holds for a path and function."""
    return max((start for start in PLACES if where.startswith(start)), key=len, default="")


def met_in_sources() -> dict[int, Met]:
    met: defaultdict[int, Met] = defaultdict(lambda: NOBODY)
    for where, code in given():
        met[code] |= PLACES[place(where)]
    for code in codes_of_profiles():
        met[code] |= CARRIER
    # What a message fails with under another code does not stand on it.
    for code, later in origin.FAILS_WITH.items():
        if code != later:
            met[code] &= ~MESSAGE
    return met


def codes_of_profiles() -> Iterator[int]:
    for name in profile.names():
        one = profile.load(name)
        yield from (*one.errors.values(), *one.network_errors.values())
        yield from (rule.error for rules in (one.states, one.command_status) for rule in rules.values())


def test_every_place_with_codes_is_known_and_every_known_one_has_some() -> None:
    assert [where for where, _ in given() if not place(where)] == []
    assert {place(where) for where, _ in given()} == PLACES.keys()


def test_the_catalogue_says_of_each_code_where_it_is_met() -> None:
    met = met_in_sources()
    assert {code: met.get(code) or PROFILE for code in CATALOGUE} == {
        code: entry.met for code, entry in CATALOGUE.items()
    }


def test_what_only_profiles_name_can_stand_on_a_message() -> None:
    of_profiles = [entry for entry in CATALOGUE.values() if PROFILE in entry.met]
    assert {entry.met for entry in of_profiles} == {PROFILE}
    assert all(30000 <= entry.code < 30100 for entry in of_profiles)


def test_every_code_that_is_raised_is_in_the_catalogue() -> None:
    raised = {str(path): Codes(path.read_text("utf-8")).unknown for path in SOURCES.rglob("*.py")}
    assert {path: codes for path, codes in raised.items() if codes} == {}


def test_every_code_of_a_shipped_profile_is_in_the_catalogue() -> None:
    assert set(codes_of_profiles()) - {0} - CATALOGUE.keys() == set()


# --- what tests produce
ON_MESSAGES: dict[str, dict[str, set[int]]] = {
    "test_dispatch": {"test_messages_that_no_carrier_is_left_for_fail_and_say_so": {30008}},
    "test_doubt": {"test_giving_up_is_a_policy": {30410}},
    "test_expiry": {"test_a_message_that_is_too_old_ends_when_its_turn_comes": {30036}},
    "test_inbound_long": {"test_what_there_is_is_received_once_the_rest_has_been_waited_for": {30009}},
    "test_media_messages": {
        "test_a_message_whose_media_cannot_be_had_fails_at_once": {11751, 12300, 63019},
        "test_a_message_beyond_its_price_limit_fails_and_nothing_is_fetched": {30010},
    },
    "test_optout": {"test_a_message_of_a_service_is_taken_and_fails": {21610}},
    "test_queues": {
        "test_a_message_whose_account_may_not_send_it_any_more_fails_when_its_turn_comes": {21408, 30002},
    },
    "test_schedule": {"test_a_service_that_is_gone_meanwhile_lets_it_fail": {21701}},
    "test_scheduled_errors": {
        "test_a_sender_that_is_gone_meanwhile_lets_it_fail": {21606},
        "test_a_recipient_that_no_route_leads_to_any_more_lets_it_fail": {21612},
    },
    "test_services": {
        "test_a_pool_without_a_sender_for_it_lets_the_message_fail": {21703, 21704},
        "test_full_queues_are_told_by_the_status": {30001},
    },
}
"""Module of tests/gateway → test → errors that the gateway ends messages with in it."""


def test_every_error_that_the_gateway_ends_messages_with_is_produced_by_a_test() -> None:
    produced = {code for tests in ON_MESSAGES.values() for codes in tests.values() for code in codes}
    assert produced == {code for code, entry in CATALOGUE.items() if MESSAGE in entry.met}


@pytest.mark.parametrize("module", ON_MESSAGES)
def test_the_tests_of_these_errors_are_there_and_about_them(module: str) -> None:
    tree = ast.parse((TESTS / "gateway" / f"{module}.py").read_text("utf-8"))
    tests = {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.AsyncFunctionDef)}
    for name, codes in ON_MESSAGES[module].items():
        assert {code for code in codes if re.search(rf"\b{code}\b", tests[name])} == codes, name


@pytest.mark.parametrize("code", [code for code, entry in CATALOGUE.items() if entry.met is CALLBACK])
def test_what_callbacks_fail_with_is_written_in_a_test_of_theirs(code: int) -> None:
    rooms = ("answering", "callbacks", "dialects")
    tests = [path.read_text("utf-8") for room in rooms for path in (TESTS / room).glob("test_*.py")]
    assert any(re.search(rf"\b{code}\b", test) for test in tests)
