"""User data headers: the part of an SMS that says which piece of a longer text it is (3GPP TS 23.040 §9.2.3.24).

Called by `carrier` for both directions and by the SMSC simulator. Only concatenation is understood;
other elements (ports, language tables) are stepped over.
"""

from typing import Final, Literal

import msgspec

CONCATENATION_8: Final = 0x00
CONCATENATION_16: Final = 0x08


class Concatenation(msgspec.Struct, frozen=True, gc=False):
    reference: int
    parts: int
    part: int
    """1-based."""


def build(concatenation: Concatenation, bits: Literal[8, 16] = 8) -> bytes:
    """The header, its length octet included; the reference is cut to `bits`."""
    width = bits // 8
    element = CONCATENATION_8 if bits == 8 else CONCATENATION_16
    reference = (concatenation.reference & ((1 << bits) - 1)).to_bytes(width)
    return bytes((width + 4, element, width + 2)) + reference + bytes((concatenation.parts, concatenation.part))


def parse(data: bytes) -> tuple[Concatenation | None, bytes]:
    """(concatenation if there is a sensible one, the text after the header).

    A header longer than the data is none at all: the data comes back whole.
    """
    if not data or 1 + data[0] > len(data):
        return None, data
    end = 1 + data[0]
    found = None
    position = 1
    while position + 2 <= end:
        element, length = data[position], data[position + 1]
        start = position + 2
        position = start + length
        if position > end:
            break
        found = _concatenation(element, data[start:position]) or found
    return found, data[end:]


def _concatenation(element: int, value: bytes) -> Concatenation | None:
    """TS 23.040 §9.2.3.24.1: a total or number of 0, or a number beyond the total, is to be ignored."""
    if (element, len(value)) not in ((CONCATENATION_8, 3), (CONCATENATION_16, 4)):
        return None
    parts, part = value[-2:]
    if not 1 <= part <= parts:
        return None
    return Concatenation(int.from_bytes(value[:-2]), parts, part)
