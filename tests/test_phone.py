import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.phone import NumberType, SenderKind, country, digits, e164, is_landline, number_type, sender_kind


@pytest.mark.parametrize(
    ("given_as", "number"),
    [
        ("+15005550006", "+15005550006"),
        ("+1 (500) 555-0006", "+15005550006"),
        ("+44 7700 900123", "+447700900123"),
        ("+1.500.555.0006", "+15005550006"),
        ("+290 12345", "+29012345"),  # St Helena: five digits
        ("15005550006", None),
        ("5005550006", None),
        ("+0123456789", None),
        ("+1500555000", None),
        ("+150055500061", None),
        ("+1234567890123456", None),
        ("+99912345678", None),
        ("++15005550006", None),
        ("+1500555000a", None),
        ("+", None),
        ("", None),
        ("whatsapp:+15005550006", None),
        ("+15005550006\n", "+15005550006"),
        ("+1５００５５５０００６", None),
        ("+1٥٠٠٥٥٥٠٠٠٦", None),
    ],
)
def test_e164(given_as: str, number: str | None) -> None:
    assert e164(given_as) == number


@given(st.text(st.characters(categories=["Nd"]) | st.sampled_from("+-. ()"), max_size=18))
def test_what_passes_for_a_number_can_be_put_on_a_wire(text: str) -> None:
    for spelled in (text, "+" + text):
        found = e164(spelled)
        assert found is None or (found.isascii() and found[0] == "+" and found[1:].isdigit())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("+15005550006", SenderKind.NUMBER),
        ("12345", SenderKind.SHORT_CODE),
        ("123", SenderKind.SHORT_CODE),
        ("12345678", SenderKind.SHORT_CODE),
        ("12", None),
        ("123456789", None),
        ("ACME", SenderKind.ALPHANUMERIC),
        ("My Company", SenderKind.ALPHANUMERIC),
        ("a", SenderKind.ALPHANUMERIC),
        ("7Eleven", SenderKind.ALPHANUMERIC),
        ("A&B-C_D+1", SenderKind.ALPHANUMERIC),
        ("TwelveLetter", None),
        ("---", None),
        ("Café", None),
        ("", None),
        ("+1", None),
        ("+ACME", None),
        ("١٢٣٤٥", None),
    ],
)
def test_sender_kinds(text: str, kind: SenderKind | None) -> None:
    assert sender_kind(text) is kind


@pytest.mark.parametrize(
    ("number", "code"),
    [("+15005550006", "US"), ("+14165550100", "CA"), ("+447700900123", "GB"), ("+491701234567", "DE")],
)
def test_countries(number: str, code: str) -> None:
    assert country(number) == code


@pytest.mark.parametrize(
    ("number", "landline"),
    [("+442079460000", True), ("+447700900123", False), ("+12125550100", False), ("+493012345678", True)],
)
def test_landlines_are_known_where_the_numbering_plan_says_so(number: str, landline: bool) -> None:
    assert is_landline(number) is landline


@pytest.mark.parametrize(
    ("number", "type_"),
    [
        ("+447911123456", NumberType.MOBILE),
        ("+18003386745", NumberType.TOLL_FREE),
        ("+448001111111", NumberType.TOLL_FREE),
        ("+442079460958", NumberType.LOCAL),
        # North America does not tell mobiles from landlines by number.
        ("+13103386745", NumberType.LOCAL),
        ("+15005550006", NumberType.LOCAL),
        ("+99912345678", NumberType.LOCAL),
    ],
)
def test_numbers_are_of_the_type_that_the_numbering_plan_says(number: str, type_: NumberType) -> None:
    assert number_type(number) is type_


def test_a_calling_code_of_nobody_has_no_country() -> None:
    assert country("+99912345678") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [("+15005550006", "15005550006"), ("0015005550006", "+15005550006"), ("ACME", "acme"), ("12345", "12345")],
)
def test_spellings_of_one_address_compare_equal(one: str, other: str) -> None:
    assert digits(one) == digits(other)


def test_different_addresses_compare_different() -> None:
    assert len({digits(address) for address in ("+15005550006", "+15005550007", "12345", "ACME", "")}) == 5
