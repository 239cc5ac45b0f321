"""Receipts as carriers write them; the texts are from public tests of Jasmin, cloudhopper, Somleng and jsmpp."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidings.carriers.base import Receipt, Verdict
from tidings.carriers.smpp import receipt as receipts
from tidings.carriers.smpp.pdu import Tag
from tidings.carriers.smpp.profile import Profile, StateRule, load
from tidings.carriers.smpp.receipt import compose, is_receipt, parse, read_date

USUAL = (
    b"id:0059113978 sub:001 dlvrd:001 submit date:1002101730 done date:1002101731 "
    b"stat:DELIVRD err:000 text:@$#!%&/:"
)


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """Microseconds since 1970 of a moment in UTC."""
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * 1_000_000


def hours(east: int) -> timezone:
    return timezone(timedelta(hours=east))


def read(text: bytes = b"", tlvs: dict[int, bytes] | None = None, **given: Any) -> Receipt:
    arguments: dict[str, Any] = {
        "carrier": "main",
        "received_at": at(2023, 2, 28, 13, 30),
        "source": "15551230000",
        "destination": "40404",
        "esm_class": 0x04,
        "raw": "00",
        "profile": load(),
    }
    return parse(text=text, tlvs=tlvs or {}, **(arguments | given))


def variant(**changes: Any) -> Profile:
    default = load()
    fields = {name: getattr(default, name) for name in default.__struct_fields__}
    return Profile(**(fields | changes))


# --- receipts seen in the field


def test_the_usual_receipt_is_read_whole() -> None:
    # cloudhopper PduDecoderTest: decimal id in the text, the same number in hex in the TLV
    assert read(USUAL, {Tag.RECEIPTED_MESSAGE_ID: b"38601fa\0", Tag.MESSAGE_STATE: b"\2"}) == Receipt(
        carrier="main",
        received_at=at(2023, 2, 28, 13, 30),
        ids=("38601fa", "0059113978"),
        keys=(("exact", "38601fa"), ("exact", "59113978"), ("hex_to_decimal", "1494301048")),
        verdict=Verdict.DELIVERED,
        word="DELIVRD",
        error=None,
        carrier_error="000",
        source="15551230000",
        destination="40404",
        reference=None,
        done_date="1002101731",
        text=USUAL.decode(),
        raw="00",
    )


@pytest.mark.parametrize(
    ("text", "message_id", "word", "verdict", "carrier_error", "done_date"),
    [
        (
            b"id:5516a151-4970-45b6-b73e-95aefdb11cbf sub:001 dlvrd:001 submit date:2302231414 "
            b"done date:230223194211 stat:DELIVRD err:000 text:Hello",
            "5516a151-4970-45b6-b73e-95aefdb11cbf",
            "DELIVRD",
            Verdict.DELIVERED,
            "000",
            "230223194211",
        ),
        (
            b"id:4791967 sub:0 dlvrd:1 submit date:2302281329 done date:2302281329 stat:ENROUTE err:0 Text:hi",
            "4791967",
            "ENROUTE",
            Verdict.PROGRESS,
            "0",
            "2302281329",
        ),
        (
            b"id:88316820 sub:0 dlvrd:0 submit date:2302281329 done date:2302281329 stat:UNDELIV err:500 Text:hi",
            "88316820",
            "UNDELIV",
            Verdict.UNDELIVERED,
            "500",
            "2302281329",
        ),
        (
            b"id:88316820 sub:0 dlvrd:0 submit date:2302281329 done date:2302281329 err:500 Text:hi",
            "88316820",
            "",
            Verdict.UNRECOGNISED,
            "500",
            "2302281329",
        ),
        (
            b"id:577e505a-0a3f-4c1e-9f1b-0d1c2b3a4f5e submit date:2408201338 done date:240820093823 stat:REJECTD "
            b"err:00B text:You",
            "577e505a-0a3f-4c1e-9f1b-0d1c2b3a4f5e",
            "REJECTD",
            Verdict.UNDELIVERED,
            "00B",
            "240820093823",
        ),
        (
            b"id:0003493221 sub:001 dlvrd:000 submit date:2302281329 done date:2302281329 stat:EXPIRED err:254 "
            b"text:??????????",
            "0003493221",
            "EXPIRED",
            Verdict.UNDELIVERED,
            "254",
            "2302281329",
        ),
        (
            b"id:68673723 sub:1 dlvrd:13 submit date:2302281329 done date:2302281329 stat:DELIVRD "
            b"err:0 Text:\x04\x1a",
            "68673723",
            "DELIVRD",
            Verdict.DELIVERED,
            "0",
            "2302281329",
        ),
        (
            b"id:c87c2273-7edb-4bc7-8d3a-7f57f21b625e submit date:201506201641 done date:201506201641 "
            b"stat:DELIVRD err:000",
            "c87c2273-7edb-4bc7-8d3a-7f57f21b625e",
            "DELIVRD",
            Verdict.DELIVERED,
            "000",
            "201506201641",
        ),
        (
            b"id:2E179B310EDE971B2760C72B7F026E1B submit date:20110314181534 done date:20110314181741 "
            b"stat:DELIVRD err:0",
            "2E179B310EDE971B2760C72B7F026E1B",
            "DELIVRD",
            Verdict.DELIVERED,
            "0",
            "20110314181741",
        ),
        (
            b"sub:001 id:74e02ee1-5c6d-4d3e-8a55-6e2f0f7c1a2b err:000 dlvrd:001 done date:110206193110 "
            b"submit date:110206193041 text: stat:DELIVRD",
            "74e02ee1-5c6d-4d3e-8a55-6e2f0f7c1a2b",
            "DELIVRD",
            Verdict.DELIVERED,
            "000",
            "110206193110",
        ),
        (b"stat:DELIVRD", "", "DELIVRD", Verdict.DELIVERED, "", ""),
        (
            b"id:1 sub:1 dlvrd:1 submit date:180711070003912+ done date:180711070005912+ stat:ACCEPTD err:107 "
            b"text: &F102",
            "1",
            "ACCEPTD",
            Verdict.PROGRESS,
            "107",
            "180711070005912+",
        ),
    ],
)
def test_text_receipts_of_real_carriers(
    text: bytes, message_id: str, word: str, verdict: Verdict, carrier_error: str, done_date: str
) -> None:
    receipt = read(text)
    assert receipt.ids == ((message_id,) if message_id else ())
    assert (receipt.word, receipt.verdict) == (word, verdict)
    assert (receipt.carrier_error, receipt.done_date) == (carrier_error, done_date)
    assert receipt.text == text.decode("latin-1")
    assert receipt.notes == ()


def test_text_in_message_payload_with_a_nul_and_a_hex_id_beside_it() -> None:
    # Jasmin test_deliver_sm_with_message_payload
    payload = b"id:0000436949 submit date:1504211508 done date:1504211508 stat:DELIVRD err:000\0"
    receipt = read(
        b"",
        {Tag.MESSAGE_PAYLOAD: payload, Tag.RECEIPTED_MESSAGE_ID: b"6aad5\0", Tag.MESSAGE_STATE: b"\2"},
    )
    assert receipt.ids == ("6aad5", "0000436949")
    assert (receipt.verdict, receipt.carrier_error) == (Verdict.DELIVERED, "000")
    assert receipt.text == payload.decode().rstrip("\0")


def test_a_network_error_of_three_digits() -> None:
    # Jasmin test_deliver_sm_unknown_param_network_error_code
    receipt = read(
        b"id:6a3ed98a64448e8aba3cad9bba8566f sub:001 dlvrd:000 submit date:1410160336 done date:1410160338 "
        b"stat:UNDELIV err:000 text:",
        {Tag.NETWORK_ERROR_CODE: b"000", Tag.MESSAGE_STATE: b"\5", Tag.RECEIPTED_MESSAGE_ID: b"6a3ed98a"},
    )
    assert (receipt.verdict, receipt.error, receipt.carrier_error) == (Verdict.UNDELIVERED, 30008, "000")
    assert receipt.notes == ()


def test_a_network_error_of_type_and_number() -> None:
    # Jasmin test_any_network_error_code
    receipt = read(
        b"id:bc59b8aa-2fd2-4035-8113-19301e050079 sub:001 dlvrd:001 submit date:1505081405 done date:1505081405 "
        b"stat:DELIVRD err:000 text:-",
        {Tag.NETWORK_ERROR_CODE: b"\3\0\0", Tag.MESSAGE_STATE: b"\2"},
    )
    assert (receipt.verdict, receipt.error, receipt.carrier_error) == (Verdict.DELIVERED, None, "000")


def test_vendor_tlvs_and_operator_notes_are_no_hindrance() -> None:
    # Jasmin test_unknown_tag_value_0x1454 and _0x60D
    receipt = read(
        b"id:4D19C84C sub:001 dlvrd:001 submit date:1510090105 done date:1510090105 stat:DELIVRD err:0000 "
        b"text:GW250 MCC=270 MNC=1 BillingMNC=1",
        {0x1454: b"\0\0\0\1", 0x1418: b"\0\0\0\0", 0x060D: b"127001\0"},
    )
    assert (receipt.ids, receipt.verdict, receipt.carrier_error) == (("4D19C84C",), Verdict.DELIVERED, "0000")


def test_bytes_outside_ascii_are_kept_as_latin_1() -> None:
    # jasmin#937
    receipt = read(b"id:0416342074 sub:001 dlvrd:001 stat:DELIVRD err:000 text:\x84\x89\x8c")
    assert receipt.ids == ("0416342074",)
    assert receipt.text.endswith("text:\x84\x89\x8c")


def test_a_tail_cut_in_mid_key_is_no_hindrance() -> None:
    receipt = read(b"id:1 sub:001 dlvrd:001 stat:DELIVRD err:000 te", problems=("TLV 0x001E runs past the end",))
    assert (receipt.verdict, receipt.carrier_error) == (Verdict.DELIVERED, "000")
    assert receipt.notes == ("TLV 0x001E runs past the end",)


# --- quirks of the fields


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"id:7 stat:EXPIRED err:000", ("7", "EXPIRED", "000")),
        (b"ID:7   STAT:EXPIRED  ERR:0", ("7", "EXPIRED", "0")),
        (b"id: 7 sub: 001 stat: EXPIRED err: 00B text: x", ("7", "EXPIRED", "00B")),
        (b"stat:expired id:7", ("7", "EXPIRED", "")),
        (b"id:7 sub: dlvrd: stat:EXPIRED err: text:", ("7", "EXPIRED", "")),
        (b"id:7 sub:null dlvrd:... stat:EXPIRED err:null text:none", ("7", "EXPIRED", "null")),
        (b"id:7\0stat:EXPIRED\0err:21b\0\0\0", ("7", "EXPIRED", "21b")),
        (b"id:7\r\nstat:EXPIRED\r\nerr:1\r\n", ("7", "EXPIRED", "1")),
        (b"id:7 err:123456789012 stat:EXPIRED", ("7", "EXPIRED", "12345678")),
        (b"id: stat:EXPIRED id:7", ("7", "EXPIRED", "")),
        (b"void:9 instat:X id:7 stat:EXPIRED", ("7", "EXPIRED", "")),
    ],
)
def test_fields_are_found_by_key_however_they_stand(text: bytes, expected: tuple[str, str, str]) -> None:
    receipt = read(text)
    assert (receipt.ids[0], receipt.word, receipt.carrier_error) == expected


@pytest.mark.parametrize("key", [b"done date:", b"donedate:", b"Done Date:", b"done  date:", b"done date: "])
def test_the_done_date_keeps_its_digits_under_every_spelling_of_its_key(key: bytes) -> None:
    assert read(b"id:1 submitdate:1 " + key + b"7001010000 stat:DELIVRD").done_date == "7001010000"


def test_counts_never_decide_the_state() -> None:
    assert read(b"id:1 sub:001 dlvrd:001 stat:UNDELIV").verdict is Verdict.UNDELIVERED
    assert read(b"id:1 sub:000 dlvrd:000 stat:DELIVRD").verdict is Verdict.DELIVERED


def test_an_empty_text_is_a_receipt_by_its_tlvs_alone() -> None:
    receipt = read(b"", {Tag.RECEIPTED_MESSAGE_ID: b"AB12", Tag.MESSAGE_STATE: b"\3"})
    assert (receipt.ids, receipt.word, receipt.verdict, receipt.text) == (("AB12",), "3", Verdict.UNDELIVERED, "")


def test_a_user_data_header_is_not_read_as_text() -> None:
    receipt = read(b"\x05\x00\x03\x01\x02\x01id:7 stat:DELIVRD", esm_class=0x44)
    assert (receipt.ids, receipt.text) == (("7",), "id:7 stat:DELIVRD")


def test_id_and_state_alone_are_read_where_the_profile_says_so() -> None:
    sicap = read(b"362d9701 2\0", profile=load("sicap"))
    assert (sicap.ids, sicap.word, sicap.verdict) == (("362d9701",), "2", Verdict.DELIVERED)
    plain = read(b"362d9701 2\0")
    assert (plain.ids, plain.verdict) == ((), Verdict.UNRECOGNISED)


# --- imitations


@pytest.mark.parametrize(
    "text",
    [
        b"id:7 stat:UNDELIV err:001 text:stat:DELIVRD",
        b"id:7 stat:UNDELIV err:001 text: stat:DELIVRD",
        b"id:7 stat:UNDELIV err:001 Text:id:8 stat:DELIVRD err:000",
        b"id:7 stat:UNDELIV err:001 text:\0stat:DELIVRD",
    ],
)
def test_what_a_sender_wrote_is_never_read_as_a_state(text: bytes) -> None:
    receipt = read(text)
    assert (receipt.ids, receipt.word) == (("7",), "UNDELIV")


def test_only_an_empty_text_may_be_followed_by_the_state() -> None:
    assert read(b"id:7 err:000 text: stat:DELIVRD").word == "DELIVRD"
    assert read(b"id:7 err:000 text:hi stat:DELIVRD").word == ""
    assert read(b"id:7 err:000 text:stat:DELIVRD").word == ""
    assert read(b"id:7 err:000 text: hi stat:DELIVRD").word == ""


def test_the_state_after_an_empty_text_needs_a_final_receipt() -> None:
    assert read(b"id:7 err:000 text: stat:DELIVRD", esm_class=0x20).word == ""
    assert read(b"id:7 err:000 text: stat:DELIVRD", esm_class=0x44).word == "DELIVRD"


def test_nothing_but_the_state_is_read_after_an_empty_text() -> None:
    assert read(b"text: stat:DELIVRD id:8 err:999").ids == ()


@pytest.mark.parametrize(
    ("esm_class", "expected"),
    [
        (0x00, False),
        (0x04, True),
        (0x08, False),
        (0x10, False),
        (0x18, False),
        (0x20, True),
        (0x44, True),
        (0x84, True),
        (0xC4, True),
        (0x40, False),
        (0x80, False),
        (0x03, False),
    ],
)
def test_the_mark_makes_a_receipt_and_not_the_text(esm_class: int, expected: bool) -> None:
    assert is_receipt(esm_class, USUAL, {}, load()) is expected
    assert is_receipt(esm_class, b"hello", {}, load()) is expected


def test_a_delivery_acknowledgement_is_a_receipt_when_it_names_the_message() -> None:
    assert is_receipt(0x08, b"thanks", {Tag.RECEIPTED_MESSAGE_ID: b"1"}, load())


def test_unmarked_receipts_are_for_profiles_that_know_them() -> None:
    careless = variant(receipt_without_flag=True)
    assert is_receipt(0x00, USUAL, {}, careless)
    assert is_receipt(0x00, b"", {Tag.RECEIPTED_MESSAGE_ID: b"1", Tag.MESSAGE_STATE: b"\2"}, careless)
    assert not is_receipt(0x00, b"hello", {}, careless)
    assert not is_receipt(0x00, b"my stat: fine", {}, careless)
    assert not is_receipt(0x00, b"", {Tag.RECEIPTED_MESSAGE_ID: b"1", Tag.MESSAGE_STATE: b"\2"}, load())


# --- states


@pytest.mark.parametrize(
    ("state", "word", "verdict", "error"),
    [
        (0, "SCHEDULED", Verdict.PROGRESS, None),
        (1, "ENROUTE", Verdict.PROGRESS, None),
        (2, "DELIVRD", Verdict.DELIVERED, None),
        (2, "DELIVERED", Verdict.DELIVERED, None),
        (3, "EXPIRED", Verdict.UNDELIVERED, 30008),
        (4, "DELETED", Verdict.UNDELIVERED, 30008),
        (5, "UNDELIV", Verdict.UNDELIVERED, 30008),
        (5, "UNDELIVERABLE", Verdict.UNDELIVERED, 30008),
        (6, "ACCEPTD", Verdict.PROGRESS, None),
        (6, "ACCEPTED", Verdict.PROGRESS, None),
        (7, "UNKNOWN", Verdict.UNKNOWN, None),
        (8, "REJECTD", Verdict.UNDELIVERED, 30008),
        (8, "REJECTED", Verdict.UNDELIVERED, 30008),
        (9, "SKIPPED", Verdict.UNDELIVERED, 30008),
        (1, "BUFFRED", Verdict.PROGRESS, None),
        (1, "BUFFERD", Verdict.PROGRESS, None),
        (1, "ACKED", Verdict.PROGRESS, None),
        (5, "FAILED", Verdict.UNDELIVERED, 30008),
        (8, "DND_REJECTED", Verdict.UNDELIVERED, 30004),
    ],
)
@pytest.mark.parametrize("tail", [b"", b" err:000", b" err:000 text:x"])
def test_states_mean_the_same_as_word_as_number_and_as_both(
    state: int, word: str, verdict: Verdict, error: int | None, tail: bytes
) -> None:
    text, tlvs = b"id:1 stat:" + word.encode() + tail, {int(Tag.MESSAGE_STATE): bytes([state])}
    by_word, by_both, by_number = read(text), read(text, tlvs), read(b"", tlvs)
    assert (by_word.word, by_word.verdict, by_word.error) == (word, verdict, error)
    assert (by_both.verdict, by_both.error, by_both.notes) == (verdict, error, ())
    assert (by_number.word, by_number.verdict) == (str(state), verdict)


@pytest.mark.parametrize("word", ["NOCRED", "SYSERR"])
def test_our_own_account_at_the_carrier_is_named(word: str) -> None:
    receipt = read(f"id:1 stat:{word} err:000".encode(), {Tag.MESSAGE_STATE: b"\x08"})
    assert (receipt.verdict, receipt.error, receipt.word) == (Verdict.UNDELIVERED, 30008, word)
    assert len(receipt.notes) == 1
    assert "our account at the carrier" in receipt.notes[0]


@pytest.mark.parametrize("stat", [b"BADSTAT", b"0", b"DELIVR", b"DELIVRDX", b"\xe9"])
def test_an_unknown_word_is_never_guessed_at(stat: bytes) -> None:
    receipt = read(b"id:1 stat:" + stat + b" err:001")
    assert (receipt.verdict, receipt.word) == (Verdict.UNRECOGNISED, stat.decode("latin-1").upper())
    assert receipt.error is None


def test_an_unknown_number_is_never_guessed_at() -> None:
    receipt = read(b"", {Tag.MESSAGE_STATE: b"\x2a"})
    assert (receipt.verdict, receipt.word) == (Verdict.UNRECOGNISED, "42")


def test_a_message_state_of_the_wrong_length_is_noted_and_not_read() -> None:
    receipt = read(b"id:1 stat:DELIVRD", {Tag.MESSAGE_STATE: b"\0\3"})
    assert (receipt.word, receipt.notes) == ("DELIVRD", ("message_state is 2 bytes long, not 1",))


@pytest.mark.parametrize(
    ("stat", "number", "word", "noted"),
    [
        ("DELIVRD", 1, "DELIVRD", True),
        ("ENROUTE", 2, "2", True),
        ("UNKNOWN", 1, "1", True),
        ("ENROUTE", 7, "ENROUTE", True),
        ("BLAH", 2, "2", True),
        ("DELIVRD", 99, "DELIVRD", True),
        ("UNDELIV", 3, "3", False),
        ("EXPIRED", 5, "EXPIRED", False),
        ("FAILED", 5, "FAILED", False),
        ("EXPIRED", 4, "4", True),
        ("DELIVRD", 5, "5", True),
        ("UNDELIV", 2, "2", True),
        ("ACCEPTD", 1, "1", False),
    ],
)
def test_of_two_states_the_more_exact_counts_and_a_contradiction_is_noted(
    stat: str, number: int, word: str, noted: bool
) -> None:
    receipt = read(f"id:1 stat:{stat}".encode(), {Tag.MESSAGE_STATE: bytes([number])})
    assert receipt.word == word
    assert bool(receipt.notes) is noted
    assert all(stat in note and str(number) in note for note in receipt.notes)


def test_a_profile_says_whom_to_believe_in_a_contradiction() -> None:
    tlvs = {int(Tag.MESSAGE_STATE): b"\2", int(Tag.RECEIPTED_MESSAGE_ID): b"t"}
    receipt = read(b"id:x stat:UNDELIV", tlvs, profile=variant(trust="text"))
    assert (receipt.word, receipt.verdict, receipt.ids) == ("UNDELIV", Verdict.UNDELIVERED, ("x", "t"))
    assert read(b"id:x stat:ENROUTE", tlvs, profile=variant(trust="text")).verdict is Verdict.DELIVERED


def test_a_profile_may_know_other_words() -> None:
    profile = variant(states=load().states | {"0": StateRule(Verdict.DELIVERED)})
    assert read(b"id:1 stat:0", profile=profile).verdict is Verdict.DELIVERED


# --- errors


@pytest.mark.parametrize(
    ("profile", "text", "network_error", "error", "carrier_error"),
    [
        ("default", b"stat:UNDELIV err:001", None, 30008, "001"),
        ("default", b"stat:EXPIRED err:001", None, 30008, "001"),
        ("default", b"stat:UNDELIV", None, 30008, ""),
        ("twilio_style", b"stat:EXPIRED err:001", None, 30003, "001"),
        ("twilio_style", b"stat:EXPIRED err:999", None, 30008, "999"),
        ("vonage", b"stat:REJECTD err:6", None, 30007, "6"),
        ("vonage", b"stat:REJECTD err:004", None, 30004, "004"),
        ("gsm_map", b"stat:UNDELIV err:000", b"\3\0\x1b", 30003, "0x0423:03:001b"),
        ("gsm_map", b"stat:UNDELIV err:013", b"\3\0\0", 30004, "013"),
        ("clickatell", b"stat:UNDELIV err:001", b"\3\0\x0a", 30006, "0x0423:03:000a"),
        ("clickatell", b"stat:UNDELIV err:000", b"\3\3\xe7", 30008, "0x0423:03:03e7"),
        ("flowroute", b"stat:UNDELIV err:47e", None, 30007, "47e"),
        ("default", b"stat:DND_REJECTED err:001", None, 30004, "001"),
        ("default", b"stat:UNDELIV err:000", b"022", 30008, "0x0423:022"),
        ("default", b"stat:UNDELIV err:000", b"\3\x22", 30008, "0x0423:0322"),
        ("default", b"stat:UNDELIV", b"\3\0\x22", 30008, "0x0423:03:0022"),
        ("default", b"stat:UNDELIV", b"", 30008, ""),
    ],
)
def test_an_error_is_explained_by_the_carriers_own_table(
    profile: str, text: bytes, network_error: bytes | None, error: int, carrier_error: str
) -> None:
    tlvs = {} if network_error is None else {int(Tag.NETWORK_ERROR_CODE): network_error}
    receipt = read(b"id:1 " + text, tlvs, profile=load(profile))
    assert (receipt.error, receipt.carrier_error) == (error, carrier_error)


@pytest.mark.parametrize("stat", [b"DELIVRD", b"ENROUTE", b"ACCEPTD", b"UNKNOWN", b"BLAH"])
def test_only_an_undelivered_message_has_an_error_but_the_carriers_is_kept(stat: bytes) -> None:
    receipt = read(b"id:1 stat:" + stat + b" err:001", profile=load("twilio_style"))
    assert (receipt.error, receipt.carrier_error) == (None, "001")


# --- the other TLVs


def test_an_echoed_reference_is_kept() -> None:
    assert read(b"stat:DELIVRD", {Tag.USER_MESSAGE_REFERENCE: b"\x12\x34"}).reference == 0x1234
    assert read(b"stat:DELIVRD", {Tag.USER_MESSAGE_REFERENCE: b"\x12"}).reference is None
    assert read(b"stat:DELIVRD").reference is None


def test_additional_status_text_is_kept() -> None:
    receipt = read(b"id:1 stat:REJECTD", {Tag.ADDITIONAL_STATUS_INFO_TEXT: b"sender unknown\0"})
    assert receipt.notes == ("additional status: sender unknown",)


@pytest.mark.parametrize("value", [b"7", b"7\0", b" 7 \0junk"])
def test_a_c_string_ends_at_its_nul_or_at_its_length(value: bytes) -> None:
    assert read(b"", {Tag.RECEIPTED_MESSAGE_ID: value}).ids == ("7",)


def test_equal_ids_are_named_once_and_empty_ones_not_at_all() -> None:
    assert read(b"id:7 stat:DELIVRD", {Tag.RECEIPTED_MESSAGE_ID: b"7\0"}).ids == ("7",)
    assert read(b"id:7 stat:DELIVRD", {Tag.RECEIPTED_MESSAGE_ID: b"\0"}).ids == ("7",)


# --- anything at all

ANY_TLVS = st.dictionaries(st.sampled_from([int(tag) for tag in Tag]), st.binary(max_size=12), max_size=6)
KEYS = ["id:", "sub:", "dlvrd:", "submit date:", "done date:", "donedate:", "stat:", "err:", "text:", "Text:"]
PIECES = st.sampled_from(
    [*KEYS, " ", "\0", "\n", ":", "7", "0" * 12, "DELIVRD", "delivrd", "UNDELIV", "\x85", "te"]
)


@given(st.binary(max_size=200), ANY_TLVS, st.integers(0, 255), st.sampled_from(["default", "sicap", "clickatell"]))
def test_no_bytes_are_too_odd_to_read(text: bytes, tlvs: dict[int, bytes], esm_class: int, name: str) -> None:
    is_receipt(esm_class, text, tlvs, variant(receipt_without_flag=True))
    receipt = read(text, tlvs, esm_class=esm_class, profile=load(name))
    assert receipt.verdict in Verdict
    assert (receipt.error is not None) == (receipt.verdict is Verdict.UNDELIVERED)
    assert bool(receipt.keys) <= bool(receipt.ids)
    read_date(receipt.done_date, receipt.received_at)


@given(st.lists(PIECES, max_size=30).map("".join), st.booleans())
@example(USUAL.decode(), True)
def test_the_short_cut_never_reads_otherwise_than_the_scan(text: str, trusted: bool) -> None:
    fields = receipts._scan_usual(text)
    assert fields is None or fields == receipts._scan(text, trusted=trusted)


@given(
    st.from_regex(
        r"id:[!-~]{1,12} sub:[0-9]{1,3} dlvrd:[0-9]{1,3} submit date:[0-9]{10,12} done date:[0-9]{10,12}"
        r" stat:[A-Z]{1,8} err:[0-9A-Za-z]{1,9}( [Tt]ext:.{0,20}|[ \0]?)",
        fullmatch=True,
    )
)
def test_the_short_cut_agrees_with_the_scan_on_the_usual_shape(text: str) -> None:
    fields = receipts._scan_usual(text)
    assert fields is None or fields == receipts._scan(text, trusted=True)


# --- dates


@pytest.mark.parametrize(
    ("digits", "near", "expected"),
    [
        ("1002101731", at(2010, 2, 10), datetime(2010, 2, 10, 17, 31)),
        ("230223194211", at(2023, 2, 23), datetime(2023, 2, 23, 19, 42, 11)),
        ("201506201641", at(2015, 6, 20), datetime(2015, 6, 20, 16, 41)),
        ("201506201641", at(2020, 1, 1), datetime(2015, 6, 20, 16, 41)),
        ("201012101112", at(2010, 12, 10), datetime(2010, 12, 10, 11, 12)),
        ("201012101112", at(2020, 10, 12), datetime(2020, 10, 12, 10, 11, 12)),
        ("20110314181741", at(2011, 3, 14), datetime(2011, 3, 14, 18, 17, 41)),
        ("180711070003912+", at(2018, 7, 11), datetime(2018, 7, 11, 7, 0, 3, tzinfo=hours(3))),
        (
            "180711070003904-",
            at(2018, 7, 11),
            datetime(2018, 7, 11, 7, 0, 3, tzinfo=hours(-1)),
        ),
    ],
)
def test_dates_are_read_in_every_form(digits: str, near: int, expected: datetime) -> None:
    reading = read_date(digits, near)
    assert reading == expected
    assert reading is not None
    assert reading.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(
    "digits",
    ["", "null", "0000000000", "000000000000", "7001010000", "19700101000000", "1313131313", "180711070003999+"],
)
def test_what_is_no_date_is_none(digits: str) -> None:
    assert read_date(digits, at(2023, 2, 23)) is None


def test_a_profiles_zone_is_put_on_a_date_without_one() -> None:
    reading = read_date("1002101731", at(2010, 2, 10), hours(2))
    assert reading == datetime(2010, 2, 10, 15, 31, tzinfo=UTC)


# --- our own receipts


def test_a_composed_receipt_has_kannels_form() -> None:
    written = compose(
        message_id="42",
        submitted=datetime(2026, 1, 2, 3, 4, 5),
        done=datetime(2026, 1, 2, 5, 5, tzinfo=hours(2)),
        stat="DELIVRD",
        text="a text of more than twenty characters",
    )
    assert written == (
        b"id:42 sub:001 dlvrd:001 submit date:2601020304 done date:2601020305 stat:DELIVRD err:000 "
        b"text:a text of more than "
    )


@given(
    st.from_regex(r"[0-9A-Za-z-]{1,40}", fullmatch=True),
    st.sampled_from(["DELIVRD", "UNDELIV", "EXPIRED", "DND_REJECTED"]),
    st.from_regex(r"[0-9A-F]{3}", fullmatch=True),
    st.text(max_size=30),
)
def test_a_composed_receipt_reads_back(message_id: str, stat: str, error: str, text: str) -> None:
    now = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    written = compose(message_id=message_id, submitted=now, done=now, stat=stat, error=error, text=text)
    receipt = read(written)
    assert (receipt.ids, receipt.word, receipt.carrier_error) == ((message_id,), stat, error)
    assert receipt.done_date == "2601020304"
