"""Phone numbers: what an address is, and where it lies. A thin layer over `phonenumbers`, called at create.

Only lengths and calling codes are held against a number, not whether its range has been handed out: numbering
plans change faster than libraries, and a carrier knows best.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberType

_DECORATION: Final = re.compile(r"[\s().\-]")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SHORT_CODE: Final = re.compile(r"[0-9]{3,8}")
_ALPHANUMERIC: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 _&+\-]{1,11}")


class SenderKind(StrEnum):
    NUMBER = "number"
    SHORT_CODE = "short_code"
    ALPHANUMERIC = "alphanumeric"


class NumberType(StrEnum):
    """What kind of line a number is, in Twilio's words."""

    LOCAL = "local"
    MOBILE = "mobile"
    TOLL_FREE = "tollfree"


def e164(text: str) -> str | None:
    """`text` as +digits, or None where no country has numbers of that length (ITU-T E.164)."""
    if _E164.fullmatch(text) and _has_a_length_of_its_country(text):
        return text
    return _parsed(text)


def _has_a_length_of_its_country(number: str) -> bool:
    """Whether the digits behind the calling code are as many as that country's numbers have."""
    for end in (2, 3, 4):
        lengths = _lengths(number[1:end])
        if lengths:
            return len(number) - end in lengths
    return False


@lru_cache(maxsize=1024)
def _lengths(calling_code: str) -> frozenset[int]:
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(calling_code), ())
    metadata = PhoneMetadata.metadata_for_region(regions[0], None) if regions else None
    description = metadata.general_desc if metadata else None
    return frozenset(description.possible_length if description else ())


@lru_cache(maxsize=1024)
def _parsed(text: str) -> str | None:
    """What the library makes of a number that is decorated or of an unusual length."""
    bare = _DECORATION.sub("", text)
    if not _E164.fullmatch(bare):
        return None
    try:
        number = phonenumbers.parse(bare)
    except NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def sender_kind(text: str) -> SenderKind | None:
    """What kind of sender `text` spells, or None where it spells none."""
    if text.startswith("+"):
        return SenderKind.NUMBER if _E164.fullmatch(text) else None
    if _SHORT_CODE.fullmatch(text):
        return SenderKind.SHORT_CODE
    return SenderKind.ALPHANUMERIC if _ALPHANUMERIC.fullmatch(text) else None


@lru_cache(maxsize=16384)
def country(number: str) -> str | None:
    """ISO 3166 code of an E.164 number; None where its calling code is no single country's, or no one's."""
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:
        return None
    region = phonenumbers.region_code_for_number(parsed)
    return region or phonenumbers.region_code_for_country_code(parsed.country_code or 0)


def is_country(code: str) -> bool:
    """Whether `code` is the ISO 3166 code of a country that has phone numbers."""
    return code in phonenumbers.SUPPORTED_REGIONS


def is_landline(number: str) -> bool:
    """Whether the numbering plan says that no mobile is behind an E.164 number."""
    # North America does not tell mobiles from landlines by number (libphonenumber: FIXED_LINE_OR_MOBILE).
    return not number.startswith("+1") and _type(number) == PhoneNumberType.FIXED_LINE


def is_toll_free(number: str) -> bool:
    """Whether whoever calls an E.164 number pays nothing for it."""
    return _type(number) == PhoneNumberType.TOLL_FREE


def number_type(number: str) -> NumberType:
    """What the numbering plan says of an E.164 number; local is what is not for certain anything else."""
    return _TYPES.get(_type(number), NumberType.LOCAL)


def national(number: str) -> str:
    """An E.164 number as it is written in its own country: (310) 338-6745."""
    return phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.NATIONAL)


_TYPES: Final = {
    PhoneNumberType.MOBILE: NumberType.MOBILE,
    PhoneNumberType.TOLL_FREE: NumberType.TOLL_FREE,
}


@lru_cache(maxsize=16384)
def _type(number: str) -> int:
    try:
        kind: int = phonenumbers.number_type(phonenumbers.parse(number))
    except NumberParseException:
        return PhoneNumberType.UNKNOWN
    return kind


def digits(address: str) -> str:
    """An address as it may be compared across spellings: its digits alone, or itself where it has letters."""
    bare = address.lstrip("+")
    return bare.lstrip("0") if bare.isdigit() else address.casefold()
