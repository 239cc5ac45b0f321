"""Where SMPP puts a segment's text, header, alphabet and addresses, both ways."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings import text
from tidings.carriers.base import Submission
from tidings.carriers.smpp import pdu as codec
from tidings.carriers.smpp import segment, udh
from tidings.carriers.smpp.pdu import UDHI, Command, DataSm, Pdu, ShortMessage, Tag
from tidings.carriers.smpp.settings import SmppSettings
from tidings.text import Encoding

MESSAGE = "0123456789abcdef0123456789ab12ef"


def settings(**options: Any) -> SmppSettings:
    return SmppSettings(name="main", host="127.0.0.1", system_id="us", **options)


def submission(words: str, **changes: Any) -> Submission:
    usual: dict[str, Any] = {
        "message_id": MESSAGE,
        "part": 1,
        "parts": 1,
        "sender": "TIDINGS",
        "recipient": "+15551230000",
        "text": words,
        "encoding": Encoding.GSM7,
    }
    return Submission(**(usual | changes))


@pytest.mark.parametrize(
    ("spelled", "options", "expected"),
    [
        ("+15551230000", {}, (1, 1, "15551230000")),
        ("+15551230000", {"plus": True}, (1, 1, "+15551230000")),
        ("40404", {}, (3, 0, "40404")),
        ("40404", {"short_code_ton": 6, "short_code_npi": 1}, (6, 1, "40404")),
        ("5551230000", {}, (0, 1, "5551230000")),
        ("TIDINGS", {}, (5, 0, "TIDINGS")),
        ("7eleven", {}, (5, 0, "7eleven")),
        ("+15551230000", {"source_ton": 2, "source_npi": 8}, (2, 8, "15551230000")),
        ("TIDINGS", {"source_npi": 1}, (5, 1, "TIDINGS")),
    ],
)
def test_address_follows_from_its_looks_unless_told(
    spelled: str, options: dict[str, Any], expected: tuple[int, int, str]
) -> None:
    assert segment.source(spelled, settings(**options)) == segment.Address(*expected)


def test_recipient_has_its_own_override() -> None:
    only = settings(dest_ton=0)
    assert segment.destination("+15551230000", only).ton == 0
    assert segment.source("+15551230000", only).ton == 1


@pytest.mark.parametrize(
    ("options", "encoding", "words", "data_coding", "octets"),
    [
        ({}, Encoding.GSM7, "@€", 0, "001b65"),
        ({"gsm7_charset": "packed"}, Encoding.GSM7, "hellohello", 0, "e8329bfd4697d9ec37"),
        ({"gsm7_charset": "latin1", "gsm7_data_coding": 3}, Encoding.GSM7, "@é", 3, "40e9"),
        ({"gsm7_charset": "latin1", "gsm7_data_coding": 3}, Encoding.GSM7, "€", 8, "20ac"),
        ({"gsm7_charset": "ascii", "gsm7_data_coding": 1}, Encoding.GSM7, "@", 1, "40"),
        ({"gsm7_charset": "ascii"}, Encoding.GSM7, "é", 8, "00e9"),
        ({}, Encoding.UCS2, "я😀", 8, "044fd83dde00"),
        ({"ucs2_data_coding": 0x18}, Encoding.UCS2, "я", 0x18, "044f"),
    ],
)
def test_alphabets(options: dict[str, Any], encoding: Encoding, words: str, data_coding: int, octets: str) -> None:
    body, tlvs = segment.compose(submission(words, encoding=encoding), settings(**options))
    assert (body.data_coding, body.short_message.hex(), body.esm_class, tlvs) == (data_coding, octets, 0, {})


def test_text_the_alphabet_lacks_raises_a_value_error() -> None:
    with pytest.raises(ValueError, match="not in the GSM 7-bit alphabet"):
        segment.compose(submission("я"), settings())


def test_parts_carry_a_header_with_the_same_reference() -> None:
    for bits, header in ((8, "050003ef03"), (16, "06080412ef03")):
        for part in (1, 2, 3):
            body, tlvs = segment.compose(submission("x", part=part, parts=3), settings(udh_reference=bits))
            assert body.short_message.hex() == f"{header}{part:02x}78"
            assert (body.esm_class, tlvs) == (UDHI, {})


def test_packed_part_starts_on_a_septet_boundary() -> None:
    body, _ = segment.compose(submission("hello", part=1, parts=2), settings(gsm7_charset="packed"))
    assert text.decode_gsm7(text.unpack_septets(body.short_message[6:], 1, 5)) == "hello"


def test_sar_parts_carry_tlvs_and_no_header() -> None:
    body, tlvs = segment.compose(submission("x", part=2, parts=3), settings(long_messages="sar"))
    assert (body.short_message, body.esm_class) == (b"x", 0)
    assert tlvs == {0x020C: b"\x12\xef", 0x020E: b"\3", 0x020F: b"\2"}


def test_long_text_goes_whole_into_message_payload_and_a_short_one_does_not() -> None:
    whole = settings(long_messages="payload")
    words = "word " * 100
    assert segment.split(words, Encoding.GSM7, whole) == [words]
    body, tlvs = segment.compose(submission(words), whole)
    assert (body.short_message, tlvs) == (b"", {Tag.MESSAGE_PAYLOAD: words.encode()})
    assert segment.compose(submission("x" * 160), whole)[0].short_message == b"x" * 160


def test_long_text_without_tlvs_cannot_be_sent_whole() -> None:
    with pytest.raises(ValueError, match="161 octets"):
        segment.compose(submission("x" * 161), settings(long_messages="payload"), tlvs_allowed=False)


def test_reference_is_told_apart_by_part_and_sent_only_where_wanted() -> None:
    one, two = submission("x", part=1, parts=2), submission("x", part=2, parts=2)
    assert segment.reference(one) != segment.reference(two)
    _, tlvs = segment.compose(one, settings(), reference_wanted=True)
    assert tlvs == {Tag.USER_MESSAGE_REFERENCE: b"\x12\xf0"}
    assert segment.compose(one, settings(), reference_wanted=True, tlvs_allowed=False)[1] == {}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, ""),
        (1, "000000000001000R"),
        (36_000, "000000100000000R"),
        (90_061, "000001010101000R"),
        (10**9, "000028000000000R"),
    ],
)
def test_validity_is_a_relative_time(seconds: int | None, expected: str) -> None:
    body, _ = segment.compose(submission("x", validity=seconds), settings())
    assert body.validity_period == expected


@pytest.mark.parametrize(("wanted", "expected"), [(True, 0x11), (False, 0)])
def test_a_receipt_is_asked_for_as_the_settings_say_where_one_is_wanted(wanted: bool, expected: int) -> None:
    body, _ = segment.compose(submission("x", receipt=wanted), settings(registered_delivery=0x11))
    assert body.registered_delivery == expected


@given(st.text(st.sampled_from("ab €[é\nя😀e\u0301"), max_size=400), st.sampled_from(["udh8", "udh16", "sar"]))
def test_every_part_fits_a_segment_and_together_they_are_the_body(words: str, mode: str) -> None:
    options: dict[str, Any] = {"long_messages": mode[:3]} | ({"udh_reference": 16} if mode == "udh16" else {})
    chosen = settings(**options)
    encoding = text.measure(words).encoding
    parts = segment.split(words, encoding, chosen)
    assert "".join(parts) == words
    for number, part in enumerate(parts, 1):
        body, _ = segment.compose(submission(part, part=number, parts=len(parts), encoding=encoding), chosen)
        header = len(body.short_message) - len(udh.parse(body.short_message)[1]) if body.esm_class else 0
        room = (1120 - 8 * header) // 7 if encoding is Encoding.GSM7 else 140 - header
        assert len(body.short_message) - header <= room


def inbound(octets: bytes, data_coding: int = 0, esm_class: int = 0, **options: Any) -> tuple[str, str]:
    body = ShortMessage(data_coding=data_coding, esm_class=esm_class, short_message=octets)
    pdu = codec.decode(codec.encode(Command.DELIVER_SM, 1, body))
    it = segment.read(pdu, carrier="main", received_at=7, settings=settings(**options))
    assert (it.raw, it.received_at) == (pdu.raw.hex(), 7)
    return it.text, it.encoding


@pytest.mark.parametrize(
    ("octets", "data_coding", "options", "expected"),
    [
        ("001b65", 0, {}, ("@€", "gsm7")),
        ("e9", 0, {}, ("é", "latin1")),  # no septet
        ("40e9", 0, {"gsm7_charset": "latin1"}, ("@é", "latin1")),
        ("40", 0, {"gsm7_charset": "ascii"}, ("@", "ascii")),
        ("e8329bfd06", 0, {"gsm7_charset": "packed"}, ("hello", "gsm7")),
        ("40", 1, {}, ("@", "ascii")),
        ("80ff", 2, {}, ("\x80ÿ", "binary")),
        ("40e9", 3, {}, ("@é", "latin1")),
        ("00ff", 4, {}, ("\0ÿ", "binary")),
        ("bfe0", 6, {}, ("Пр", "iso8859_5")),
        ("e9", 7, {}, ("י", "iso8859_8")),
        ("044fd83dde00", 8, {}, ("я😀", "ucs2")),
        ("044f04", 8, {}, ("я\ufffd", "ucs2")),
        ("00", 0x10, {}, ("@", "gsm7")),
        ("ff", 0x14, {}, ("ÿ", "binary")),
        ("044f", 0x18, {}, ("я", "ucs2")),
        ("00", 0xC8, {}, ("@", "gsm7")),
        ("044f", 0xE0, {}, ("я", "ucs2")),
        ("00", 0xF1, {}, ("@", "gsm7")),
        ("ff", 0xF5, {}, ("ÿ", "binary")),
        ("ff", 0x0B, {}, ("ÿ", "binary")),
    ],
)
def test_inbound_alphabets(
    octets: str, data_coding: int, options: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert inbound(bytes.fromhex(octets), data_coding, **options) == expected


def read(body: ShortMessage | DataSm, tlvs: dict[int, bytes] | None = None) -> Any:
    command = Command.DELIVER_SM if isinstance(body, ShortMessage) else Command.DATA_SM
    pdu = codec.decode(codec.encode(command, 1, body, tlvs=tlvs))
    return segment.read(pdu, carrier="main", received_at=0, settings=settings())


def test_inbound_part_by_header() -> None:
    it = read(ShortMessage(esm_class=UDHI, short_message=bytes.fromhex("050003cc0302") + b"hi"))
    assert (it.reference, it.parts, it.part, it.text) == (0xCC, 3, 2, "hi")


def test_inbound_part_by_tlvs() -> None:
    it = read(ShortMessage(short_message=b"hi"), {0x020C: b"\x12\x34", 0x020E: b"\2", 0x020F: b"\1"})
    assert (it.reference, it.parts, it.part, it.text) == (0x1234, 2, 1, "hi")


@pytest.mark.parametrize("tlvs", [{0x020C: b"\0\1"}, {0x020C: b"\0\1", 0x020E: b"\2", 0x020F: b"\3"}])
def test_inbound_with_half_a_concatenation_is_whole(tlvs: dict[int, bytes]) -> None:
    it = read(ShortMessage(short_message=b"hi"), tlvs)
    assert (it.reference, it.parts, it.part) == (None, 1, 1)


def test_header_octets_without_the_flag_are_text() -> None:
    assert read(ShortMessage(short_message=b"\5\0\3\1\2\1hi")).parts == 1


def test_inbound_data_sm_has_its_text_in_the_payload() -> None:
    body = DataSm(source_addr_ton=1, source_addr="15551230000", destination_addr="40404")
    it = read(body, {Tag.MESSAGE_PAYLOAD: b"hi"})
    assert (it.source, it.destination, it.text) == ("+15551230000", "40404", "hi")


@given(st.binary(max_size=255), st.integers(0, 255), st.integers(0, 255))
def test_any_user_data_can_be_read(octets: bytes, data_coding: int, esm_class: int) -> None:
    for charset in ("gsm7", "packed", "latin1", "ascii"):
        words, encoding = inbound(octets, data_coding, esm_class, gsm7_charset=charset)
        assert isinstance(words, str)
        assert encoding != "packed"


def test_settings_do_not_show_the_password() -> None:
    assert "hunter2" not in repr(settings(password="hunter2"))


@pytest.mark.parametrize(
    "options",
    [
        {"system_id": "a\0b"},
        {"interface_version": 0x33, "long_messages": "sar"},
        {"reconnect_min": 5, "reconnect_max": 1},
        {"port": 0},
        {"window": 0},
        {"udh_reference": 12},
        {"pasword": "typo"},
    ],
)
def test_settings_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    table = {"kind": "smpp", "name": "main", "host": "127.0.0.1", "system_id": "us"} | options
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, SmppSettings)


def test_what_carries_no_message_cannot_be_read() -> None:
    with pytest.raises(TypeError):
        segment.read(
            Pdu(Command.UNBIND, 0, 1, codec.Empty(), {}), carrier="main", received_at=0, settings=settings()
        )
