"""`tidings explain`: what is said of texts and PDUs, the field PDUs of tests/data among them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.executable import Ended
from tidings.cli import run

PDUS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "smpp_pdus.json").read_text())


class Explained:
    """What was printed, by the names of its rows."""

    def __init__(self, printed: str) -> None:
        self.printed = printed

    def __getitem__(self, name: str) -> str:
        match = re.search(rf"^  {re.escape(name)}  +(.*)$", self.printed, re.MULTILINE)
        assert match, f"no row {name!r} in\n{self.printed}"
        return match[1]


@pytest.fixture
def explain(capsys: pytest.CaptureFixture[str]) -> Any:
    def say(*arguments: str) -> Explained:
        assert run(["explain", *arguments]) == 0
        return Explained(capsys.readouterr().out)

    return say


def test_a_receipt_text_leads_to_a_status_and_a_code(explain: Any) -> None:
    said = explain("id:0059113978 sub:001 dlvrd:000 done date:2302281330 stat:UNDELIV err:005 text:hi")

    assert said["id"] == "0059113978"
    assert said["done date"] == "2302281330: 2023-02-28 13:30:00, zone unknown"
    assert said["59113978"].startswith("exact")
    assert said["38601fa"].startswith("decimal_to_hex")
    assert said["verdict"] == "undelivered"
    assert said["status"] == "sent → undelivered"
    assert said["Twilio code"].startswith("30008: ")


def test_a_profile_knows_what_err_means(explain: Any) -> None:
    said = explain("id:1 stat:UNDELIV err:005", "--profile", "twilio_style")

    assert said["Twilio code"] == "30005: The number does not exist or is no longer in use"


@pytest.mark.parametrize(
    ("word", "verdict", "why"),
    [
        ("ENROUTE", "progress", "on its way"),
        ("UNKNOWN", "unknown", "not know"),
        ("FOO", "unrecognised", "no table"),
    ],
)
def test_a_word_that_is_no_end_leaves_the_status(word: str, verdict: str, why: str, explain: Any) -> None:
    said = explain(f"id:1 stat:{word}")

    assert said["verdict"] == verdict
    assert said["status"].startswith("stays sent: ")
    assert why in said["status"]


def test_a_receipt_pdu_shows_both_spellings_of_its_id(explain: Any) -> None:
    pdu = next(pdu for pdu in PDUS["pdus"] if pdu["name"] == "receipt_id_decimal_in_text_hex_in_tlv")

    said = explain(pdu["hex"])

    assert said["command_id"] == "deliver_sm (0x00000005)"
    assert said["receipted_message_id (0x001E)"].endswith("'38601fa'")
    assert said["message_state (0x0427)"] == "02 = 2"
    assert said["id"] == "38601fa, 0059113978"
    assert said["status"] == "sent → delivered"


@pytest.mark.parametrize("pdu", PDUS["pdus"] + PDUS["malformed"], ids=lambda pdu: pdu["name"])
def test_every_field_pdu_is_explained(pdu: dict[str, Any], explain: Any) -> None:
    said = explain(pdu["hex"])

    assert said["sequence_number"] == str(pdu["sequence"])


def test_a_pdu_without_its_fields_says_what_is_missing(explain: Any) -> None:
    said = explain(PDUS["malformed"][0]["hex"])

    assert said["problem"] == "short_message has 8 of 16 octets"
    assert said["answered with"] == "0x02 RINVCMDLEN"


@pytest.mark.parametrize(
    ("hexadecimal", "kind", "does", "code"),
    [
        ("00000010 80000004 00000058 00000002", "slow", "keeps its place", None),
        ("00000010 80000004 00000008 00000002", "again", "up to 2 times more, 30 s apart", "30008"),
        ("00000010 80000004 0000000B 00000002", "message", "asks no other carrier", "30005"),
        ("00000010 80000000 00000003 00000002", "bind", "asks the next carrier", None),
        ("00000010 80000000 00000000 00000002", "ok", "cannot know", None),
        ("00000010 80000009 0000000E 00000001", "bind", "tries again after 60 s", None),
        ("00000010 80000004 00000444 00000002", "route", "asks the next carrier", "30008"),
    ],
)
def test_an_answer_says_what_the_gateway_does(
    hexadecimal: str, kind: str, does: str, code: str | None, explain: Any
) -> None:
    said = explain(hexadecimal)

    assert said["class"] == kind
    assert does in said["gateway"]
    assert ("Twilio code" in said.printed) == (code is not None)
    if code:
        assert said["Twilio code"].startswith(code)


def test_an_acceptance_says_under_which_key_its_receipts_are_found(explain: Any) -> None:
    body = b"0038601FA\0"

    said = explain((16 + len(body)).to_bytes(4).hex() + "80000004" + "00000000" + "00000001" + body.hex())

    assert said["stored under"] == "38601fa"


def test_an_unmarked_text_that_looks_like_a_receipt_is_a_message(explain: Any) -> None:
    text = b"id:1 stat:DELIVRD"
    body = b"\0\1\x01" + b"15551230000\0" + b"\1\1" + b"15005550006\0" + bytes(3) + b"\0\0" + bytes(4)
    body += bytes((len(text),)) + text

    said = explain((16 + len(body)).to_bytes(4).hex() + "000000050000000000000001" + body.hex())

    assert said["text"] == "'id:1 stat:DELIVRD'"
    assert "does not mark it" in said["note"]


def test_a_password_is_not_shown(explain: Any) -> None:
    body = b"us\0hush\0\0\x34\0\0\0"

    said = explain((16 + len(body)).to_bytes(4).hex() + "000000090000000000000001" + body.hex())

    assert said["password"] == "4 characters, not shown"
    assert "hush" not in said.printed


def test_each_line_of_the_standard_input_is_explained(tidings: Ended) -> None:
    ended = tidings("explain", given="id:1 stat:DELIVRD\n\n00000010800000040000005800000002\n")

    assert ended.returncode == 0
    assert "sent → delivered" in ended.stdout
    assert "RTHROTTLED (0x00000058)" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "complained"),
    [
        (["hello"], "neither a PDU in hex nor a receipt's text"),
        (["0" * 33], "no whole number of octets"),
        (["id:1", "--profile", "unheard"], "profile 'unheard': not known"),
    ],
)
def test_what_cannot_be_explained_is_one_line(
    arguments: list[str], complained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert complained in line
