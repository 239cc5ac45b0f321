"""Encodings, segments and cuts: the edges by hand, the promises by property."""

from itertools import pairwise

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tidings.smart_encoding import SMART_ENCODING
from tidings.text import (
    Encoding,
    Measure,
    UnencodableText,
    decode_gsm7,
    decode_ucs2,
    encode_gsm7,
    encode_ucs2,
    length,
    measure,
    pack_septets,
    smart_encode,
    split,
    unpack_septets,
)

GSM7, UCS2 = Encoding.GSM7, Encoding.UCS2
BASIC = decode_gsm7(bytes(code for code in range(128) if code != 0x1B))
EXTENDED = "\f^{}\\[~]|€"

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"  # 4 astral and 3 joiners: 11 UTF-16 units
FLAG = "\U0001f1e9\U0001f1ea"  # two regional indicators: 4 units
PENCIL = "\u270f"  # one unit, and enough to make a body UCS-2

CLUSTERS = (
    *(FAMILY, FLAG, "👍🏽", "❤\ufe0f", "e\u0301", "क्षि", "\u0600a", "\u1100\u1161\u11a8", "z" + "\u0301" * 70),
    *("\r\n", "\r", "\n\u0301", FLAG[0], "\u200d", "\ud83d", "\ude00"),
)

gsm_text = st.text(st.sampled_from(BASIC + EXTENDED * 4), max_size=700)
any_character = st.characters(exclude_categories=())  # lone surrogates too
bodies = st.one_of(
    gsm_text,
    st.text(any_character, max_size=300),
    st.lists(
        st.one_of(
            any_character,
            st.text(st.sampled_from("abя中한"), min_size=1, max_size=70),
            st.sampled_from(CLUSTERS),
        ),
        max_size=120,
    ).map("".join),
)
relaxed = settings(deadline=None)


def septets(text: str) -> int:
    return len(text) + sum(character in EXTENDED for character in text)


def sizes(body: str) -> list[int]:
    """Units of each segment, counted apart from the code under test."""
    encoding = measure(body).encoding
    parts = split(body, encoding)
    return [septets(part) if encoding is GSM7 else utf16_units(part) for part in parts]


def utf16_units(text: str) -> int:
    return sum(1 if character <= "\uffff" else 2 for character in text)


@pytest.mark.parametrize(
    ("characters", "segments"),
    [(0, 1), (1, 1), (160, 1), (161, 2), (306, 2), (307, 3), (459, 3), (460, 4), (1530, 10), (1600, 11)],
)
def test_gsm7_holds_160_alone_and_153_a_part(characters: int, segments: int) -> None:
    assert measure("a" * characters) == Measure(GSM7, segments, characters)
    assert len(split("a" * characters, GSM7)) == segments


@pytest.mark.parametrize(
    ("characters", "segments"),
    [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4), (670, 10), (1600, 24)],
)
def test_ucs2_holds_70_alone_and_67_a_part(characters: int, segments: int) -> None:
    assert measure("я" * characters) == Measure(UCS2, segments, characters)
    assert len(split("я" * characters, UCS2)) == segments


def test_long_bodies_are_sent_whole() -> None:
    body = "".join(f"[{number:03}]" for number in range(300))
    parts = split(body, GSM7)
    assert len(parts) > 10
    assert "".join(parts) == body


def test_empty_body_is_one_empty_segment() -> None:
    assert measure("") == Measure(GSM7, 1, 0)
    assert split("", GSM7) == split("", UCS2) == [""]


def test_gsm7_text_can_be_split_as_ucs2() -> None:
    assert [len(part) for part in split("a" * 160, UCS2)] == [67, 67, 26]


@pytest.mark.parametrize("character", EXTENDED)
def test_extended_characters_cost_two_septets(character: str) -> None:
    assert measure(character) == Measure(GSM7, 1, 2)
    assert measure(character * 80) == Measure(GSM7, 1, 160)
    assert measure("a" + character * 80) == Measure(GSM7, 2, 161)


@pytest.mark.parametrize("character", "`çáíóú\t\x00\x1b\u00a0—’я中😀")
def test_one_character_outside_the_alphabet_makes_the_body_ucs2(character: str) -> None:
    assert measure("a" * 60 + character).encoding is UCS2


def test_escape_pair_at_the_cut_moves_to_the_next_part_whole() -> None:
    body = "a" * 152 + "€" + "b" * 20
    assert split(body, GSM7) == ["a" * 152, "€" + "b" * 20]
    assert split("a" * 151 + "€" + "b" * 20, GSM7) == ["a" * 151 + "€", "b" * 20]


def test_under_filled_parts_can_cost_a_segment_more_than_division_says() -> None:
    body = "€" * 153  # 306 septets, but an odd part holds 76 pairs
    assert measure(body) == Measure(GSM7, 3, 306)
    assert sizes(body) == [152, 152, 2]


def test_line_end_is_two_characters_and_stays_gsm7() -> None:
    assert measure("\r\n" * 80) == Measure(GSM7, 1, 160)
    assert measure("\r\n" * 80 + "a") == Measure(GSM7, 2, 161)
    assert split("a" * 152 + "\r\n" + "b" * 8, GSM7) == ["a" * 152 + "\r", "\n" + "b" * 8]
    assert split(PENCIL * 66 + "\r\n" + "b" * 8, UCS2) == [PENCIL * 66 + "\r", "\n" + "b" * 8]


@pytest.mark.parametrize(
    "cluster", ["😀", FAMILY, FLAG, "👍🏽", "e\u0301", "क्षि", "\u1100\u1161\u11a8"], ids=ascii
)
def test_cluster_at_the_cut_moves_to_the_next_part_whole(cluster: str) -> None:
    units = utf16_units(cluster)
    for room in range(1, units):
        before, after = PENCIL * (67 - room), "b" * 40
        assert split(before + cluster + after, UCS2) == [before, cluster + after]
    before, after = PENCIL * (67 - units), "b" * 40
    assert split(before + cluster + after, UCS2) == [before + cluster, after]


def test_flags_in_a_row_are_cut_between_flags() -> None:
    assert split("a" + FLAG * 20, UCS2) == ["a" + FLAG * 16, FLAG * 4]


def test_cluster_longer_than_a_part_is_cut_between_code_points() -> None:
    body = "e" + "\u0301" * 99
    assert split(body, UCS2) == [body[:67], body[67:]]
    laughs = "\U0001f602" + "\u200d\U0001f602" * 30  # 92 units; the 67th and 68th are one character
    assert sizes(laughs) == [66, 26]
    assert split("ok " + laughs, UCS2)[0] == "ok "


def test_cluster_that_fits_alone_is_one_segment() -> None:
    body = "e" + "\u0301" * 69
    assert measure(body) == Measure(UCS2, 1, 70)


def test_lone_surrogates_are_counted_cut_and_encoded() -> None:
    body = "\ud83d" * 71
    assert measure(body) == Measure(UCS2, 2, 71)
    assert split(body, UCS2) == [body[:67], body[67:]]
    assert encode_ucs2("\ud83dA") == b"\xd8\x3d\x00A"


def test_length_counts_an_emoji_twice() -> None:
    assert length("") == 0
    assert length("a€я") == 3
    assert length("😀" * 800) == 1600
    assert length(FAMILY) == 11


@relaxed
@given(bodies)
@example("a" * 152 + "€" * 160)
@example(PENCIL + FLAG * 40)
@example(FAMILY * 30)
@example("\U0001f602" + "\u200d\U0001f602" * 60)
def test_segments_are_the_body_and_each_fits(body: str) -> None:
    measured = measure(body)
    parts = split(body, measured.encoding)
    assert "".join(parts) == body
    assert measured.segments == len(parts)
    assert measured.units == sum(sizes(body))
    alone, a_part = (160, 153) if measured.encoding is GSM7 else (70, 67)
    assert max(sizes(body)) <= (alone if len(parts) == 1 else a_part)
    assert (measured.units <= alone) == (len(parts) == 1)
    assert all(parts) or not body


@relaxed
@given(bodies)
@example(PENCIL + FLAG * 40)
@example("a" * 60 + FAMILY * 30)
def test_no_cut_divides_a_cluster_a_part_could_hold(body: str) -> None:
    uncuttable: set[int] = set()
    for cluster in regex.finditer(r"\X", body):
        if utf16_units(cluster.group()) <= 67 and cluster.group() != "\r\n":
            uncuttable.update(range(cluster.start() + 1, cluster.end()))
    position = 0
    for part in split(body, UCS2):
        position += len(part)
        assert position not in uncuttable


@relaxed
@given(bodies)
def test_every_part_takes_all_that_fits(body: str) -> None:
    encoding = measure(body).encoding
    parts = split(body, encoding)
    for part, following in pairwise(parts):
        if encoding is GSM7:
            assert septets(part + following[0]) > 153
        else:
            piece = regex.match(r"\r|\X", following).group()
            assert utf16_units(part + piece) > 67


@relaxed
@given(gsm_text)
def test_gsm7_round_trip(text: str) -> None:
    data = encode_gsm7(text)
    assert decode_gsm7(data) == text
    assert len(data) == measure(text).units
    assert data.isascii()


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("@£$ _", "0001022011"),
        ("hello", "68656c6c6f"),
        ("ÄÖÑÜ§äöñüà", "5b5c5d5e5f7b7c7d7e7f"),
        ("ΔΦΓΛΩΠΨΣΘΞ", "101213141516171819 1a"),
        ("¥èéùìòÇ\nØø\rÅå", "030405060708090a0b0c0d0e0f"),
        ("ÆæßÉ¤¡¿", "1c1d1e1f244060"),
        ("\f^{}\\", "1b0a1b141b281b291b2f"),
        ("[~]|€", "1b3c1b3d1b3e1b401b65"),
    ],
)
def test_gsm7_codes_are_those_of_23_038(text: str, data: str) -> None:
    assert encode_gsm7(text) == bytes.fromhex(data)
    assert decode_gsm7(bytes.fromhex(data)) == text


@pytest.mark.parametrize(
    ("text", "character", "position"), [("ab`c`", "`", 2), ("\x1be", "\x1b", 0), ("€я", "я", 1), ("a\t", "\t", 1)]
)
def test_unencodable_text_names_its_first_stray_character(text: str, character: str, position: int) -> None:
    with pytest.raises(UnencodableText, match=f"U\\+{ord(character):04X}.* position {position} ") as caught:
        encode_gsm7(text)
    assert (caught.value.character, caught.value.position) == (character, position)
    with pytest.raises(UnencodableText):
        split(text, GSM7)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a\x1bA", "aA"),  # no such extended character: the basic one
        (b"a\x1b\x1be", "a e"),  # the second escape is reserved: a space
        (b"a\x1b", "a "),  # an escape before nothing
        (b"a\xe9\x80", "a\ufffd\ufffd"),
        (b"\x1b\xff", "\ufffd"),
    ],
)
def test_gsm7_oddities_decode_as_handsets_show_them(data: bytes, text: str) -> None:
    assert decode_gsm7(data) == text


@relaxed
@given(st.binary(max_size=300))
def test_decoding_never_raises_and_gives_storable_text(data: bytes) -> None:
    for text in (decode_gsm7(data), decode_ucs2(data), decode_gsm7(unpack_septets(data))):
        assert text.encode("utf-8").decode("utf-8") == text


@relaxed
@given(st.text(max_size=300))
def test_ucs2_round_trip(text: str) -> None:
    assert decode_ucs2(encode_ucs2(text)) == text


def test_ucs2_is_big_endian_and_lenient() -> None:
    assert encode_ucs2("я😀") == bytes.fromhex("044fd83dde00")
    assert decode_ucs2(bytes.fromhex("00410042d8")) == "AB\ufffd"
    assert decode_ucs2(bytes.fromhex("d83d0041de00")) == "\ufffdA\ufffd"


def test_packed_septets_fill_octets_from_the_lowest_bit() -> None:
    assert pack_septets(b"hellohello") == bytes.fromhex("e8329bfd4697d9ec37")
    assert unpack_septets(bytes.fromhex("e8329bfd4697d9ec37")) == b"hellohello"
    assert pack_septets(b"A", fill_bits=1) == b"\x82"
    assert len(pack_septets(b"a" * 160)) == 140
    assert len(pack_septets(b"a" * 153, fill_bits=1)) == 134


def test_count_tells_padding_from_an_at_sign() -> None:
    packed = pack_septets(b"abcdefg")
    assert len(packed) == 7
    assert unpack_septets(packed) == b"abcdefg\x00"
    assert unpack_septets(packed, count=7) == b"abcdefg"
    assert unpack_septets(packed, count=99) == b"abcdefg\x00"
    assert unpack_septets(pack_septets(b"abcdefg", fill_bits=1), fill_bits=1) == b"abcdefg"


@relaxed
@given(st.lists(st.integers(0, 127), max_size=200).map(bytes), st.integers(0, 6))
def test_packing_round_trip(septets: bytes, fill_bits: int) -> None:
    packed = pack_septets(septets, fill_bits)
    assert len(packed) == -(-(fill_bits + 7 * len(septets)) // 8)
    assert unpack_septets(packed, fill_bits, len(septets)) == septets


def test_an_octet_that_is_no_septet_is_not_packed() -> None:
    with pytest.raises(ValueError, match="0x7F"):
        pack_septets(b"\x80")


def test_smart_encoding_replaces_look_alikes() -> None:
    assert smart_encode("“Don’t” — it’s 1½ miles…") == "\"Don't\" - it's 11/2 miles..."
    assert smart_encode("a\u00a0b\tc\u200bd`") == "a  b       cd'"
    assert smart_encode("ＳＡＬＥ！") == "SALE!"


def test_smart_encoding_leaves_plain_text_emoji_and_cjk_alone() -> None:
    for text in ("plain text, 100% [€]", BASIC + EXTENDED, "😀" + FLAG, "中文한글かな", "Привет"):
        assert smart_encode(text) == text


def test_every_smart_encoding_entry_yields_gsm7_text() -> None:
    assert len(SMART_ENCODING) == 271
    for code, replacement in SMART_ENCODING.items():
        assert measure(chr(code)).encoding is UCS2
        assert measure(smart_encode(chr(code))).encoding is GSM7
        assert smart_encode(f"a{chr(code)}b") == f"a{replacement}b"
