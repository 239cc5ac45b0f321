import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.carriers.smpp.message_id import PLAIN, IdRules, candidates, lookup_keys, stored_key

NUMBERS = st.integers(min_value=0, max_value=2**64 - 1)
TOKENS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=65)
DIALECTS = st.sampled_from(
    [
        IdRules(),
        IdRules(base="exact"),
        IdRules(base="response_hex"),
        IdRules(base="receipt_hex"),
        IdRules(strip_tail=("@",)),
        IdRules(drop_dashes=True),
        IdRules(base="exact", truncate_to=10),
        IdRules(part_suffix=r":(\d+)"),
    ]
)


def finds(response: str, receipt: str, rules: IdRules = PLAIN) -> bool:
    return stored_key(response, rules) in [key for _, key in lookup_keys(receipt, rules)]


@given(TOKENS, DIALECTS)
def test_an_id_spelled_alike_on_both_sides_is_found(token: str, rules: IdRules) -> None:
    assert finds(token, token, rules)


@given(NUMBERS, st.sampled_from(["auto", "response_hex"]), st.sampled_from(["x", "X", "010x"]))
def test_hex_in_the_response_and_decimal_in_the_receipt(number: int, base: str, form: str) -> None:
    assert finds(format(number, form), f"{number:010}", msgspec.convert({"base": base}, IdRules))


@pytest.mark.parametrize(
    ("rules", "order"),
    [
        (IdRules(), ["exact", "decimal_to_hex", "hex_to_decimal"]),
        (IdRules(base="exact"), ["exact"]),
        (IdRules(base="response_hex"), ["decimal_to_hex", "exact"]),
        (IdRules(base="receipt_hex"), ["hex_to_decimal", "exact"]),
    ],
)
def test_the_stated_base_is_tried_first_and_no_other(rules: IdRules, order: list[str]) -> None:
    assert [rule for rule, _ in lookup_keys("4096", rules)] == order


@given(NUMBERS, st.sampled_from(["auto", "receipt_hex"]), st.sampled_from(["x", "X", "010x"]))
def test_decimal_in_the_response_and_hex_in_the_receipt(number: int, base: str, form: str) -> None:
    assert finds(f"{number}", format(number, form), msgspec.convert({"base": base}, IdRules))


@given(NUMBERS, st.integers(min_value=1, max_value=20), DIALECTS.filter(lambda rules: rules.truncate_to is None))
def test_zero_padding_on_either_side_is_no_difference(number: int, width: int, rules: IdRules) -> None:
    padded, bare = f"{number:0{width}}", str(number)
    assert finds(padded, bare, rules)
    assert finds(bare, padded, rules)


@given(st.uuids(), st.booleans())
def test_uuids_survive_in_either_case_and_keep_their_zeros(value: uuid.UUID, upper: bool) -> None:
    spelled = str(value).upper() if upper else str(value)
    assert stored_key(spelled) == str(value)
    assert lookup_keys(spelled) == (("exact", str(value)),)


def test_a_uuid_keeps_leading_zeros() -> None:
    zeros = "00000000-0000-0000-0000-000000000042"
    assert lookup_keys(zeros) == (("exact", zeros),)


@given(st.uuids())
def test_dashes_are_dropped_where_the_profile_says_so(value: uuid.UUID) -> None:
    rules = IdRules(drop_dashes=True)
    assert finds(str(value), value.hex, rules)
    assert finds(value.hex, str(value).upper(), rules)
    assert not finds(str(value), value.hex)


@given(TOKENS, st.sampled_from([10, 16, 20]))
def test_a_receipt_that_cuts_the_id_finds_it_by_its_prefix(token: str, length: int) -> None:
    assert finds(token, token[:length], IdRules(base="exact", truncate_to=length))


@given(st.from_regex(r"[0-9a-f]{1,16}", fullmatch=True))
def test_a_tail_is_stripped_where_the_profile_says_so(token: str) -> None:
    assert finds(token, f"{token}@15551230000", IdRules(strip_tail=("@",)))
    assert not finds(token, f"{token}@15551230000")


def test_an_id_that_is_nothing_but_a_tail_is_kept() -> None:
    assert stored_key("@1555", IdRules(strip_tail=("@",))) == "@1555"


@pytest.mark.parametrize(
    ("suffix", "receipt", "expected"),
    [
        (r":(\d+)", "38601fa:2", ("part:2", "38601fa")),
        (r"-\d+-(\d+)", "SAR-74e02ee1-0a0b-2-1", ("part:1", "sar-74e02ee1-0a0b")),
    ],
)
def test_a_part_number_names_the_message_and_the_part(
    suffix: str, receipt: str, expected: tuple[str, str]
) -> None:
    keys = lookup_keys(receipt, IdRules(part_suffix=suffix))
    assert keys[0] == ("exact", receipt.lower())
    assert keys[-1] == expected


def test_ids_of_one_pdu_in_two_bases_come_best_rule_first() -> None:
    # cloudhopper PduDecoderTest: text id 0059113978, TLV id 38601fa, the same number
    keys = candidates(("38601fa", "0059113978"))
    assert keys[:2] == (("exact", "38601fa"), ("exact", "59113978"))
    assert len({key for _, key in keys}) == len(keys)


def test_opaque_ids_are_only_folded() -> None:
    for opaque in ("1479978899.393701000100", "0118Z-0122I-0C14X-0KVQR", "2E179B310EDE971B2760C72B7F026E1B"):
        assert lookup_keys(opaque) == (("exact", opaque.lower()),)


def test_padding_around_an_id_is_no_part_of_it() -> None:
    assert stored_key(" 6AAD5\0\0") == "6aad5"


@pytest.mark.parametrize("empty", ["", "\0", "   "])
def test_no_id_has_no_keys(empty: str) -> None:
    assert stored_key(empty) == ""
    assert lookup_keys(empty) == ()


@given(st.text(max_size=80), DIALECTS)
def test_keys_are_canonical_for_any_text(token: str, rules: IdRules) -> None:
    key = stored_key(token, rules)
    assert stored_key(key, rules) == key
    for rule, spelling in lookup_keys(token, rules):
        assert rule.partition(":")[0] in {"exact", "decimal_to_hex", "hex_to_decimal", "part"}
        assert stored_key(spelling) == spelling.strip(" \t\r\n\0")


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ({"truncate_to": 10}, "cannot be converted"),
        ({"truncate_to": 0, "base": "exact"}, "at least 1"),
        ({"strip_tail": [""]}, "empty"),
        ({"part_suffix": "("}, "no regular expression"),
        ({"part_suffix": ":\\d+"}, "exactly one group"),
        ({"base": "octal"}, "octal"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: dict[str, object], complaint: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=complaint):
        msgspec.convert(rules, IdRules)
