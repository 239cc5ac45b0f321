"""The alphabets of SMS: which encoding a body needs, how many segments, where it is cut, its octets.

The gateway measures every body it accepts and carriers split, encode and decode; nothing here does I/O.
Limits: 140 octets a segment, of which a concatenated part gives 6 to its header (3GPP TS 23.040 §9.2.3.24).
"""

import codecs
import re
from enum import StrEnum
from itertools import takewhile

import msgspec
import regex

from tidings.smart_encoding import SMART_ENCODING


class Encoding(StrEnum):
    """How a segment's text travels: septets of the GSM alphabet or UTF-16 units."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


class Measure(msgspec.Struct, frozen=True):
    """What a body costs to send."""

    encoding: Encoding
    segments: int
    """1 or more; an empty body is one segment."""
    units: int
    """Septets (GSM7) or UTF-16 units (UCS2) of the whole body, headers not counted."""


class UnencodableText(ValueError):
    """A text holds a character the GSM 7-bit alphabet lacks; `character` is the first one, at `position`."""

    def __init__(self, character: str, position: int) -> None:
        super().__init__(
            f"{character!r} (U+{ord(character):04X}) at position {position} is not in the GSM 7-bit alphabet; "
            "send this text as UCS-2"
        )
        self.character = character
        self.position = position


_SEPTETS_ALONE, _SEPTETS_A_PART = 160, 153
_UNITS_ALONE, _UNITS_A_PART = 70, 67

_ESCAPE = "\x1b"
# 3GPP TS 23.038 §6.2.1, sixteen characters a row. 0x1B is no character but announces an extended one.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
# §6.2.1.1, by the basic character that has the same code: an old handset shows `(` where `{` was sent.
_EXTENDED = {
    "\n": "\f",
    "Λ": "^",
    "(": "{",
    ")": "}",
    "/": "\\",
    "<": "[",
    "=": "~",
    ">": "]",
    "¡": "|",
    "e": "€",
}
_TO_SEPTETS = {ord(character): chr(code) for code, character in enumerate(_BASIC)} | {
    ord(extended): _ESCAPE + chr(_BASIC.index(basic)) for basic, extended in _EXTENDED.items()
}
# A second escape is reserved and shown as a space (§6.2.1.1 note 1), and so is one not understood (§6.2.1 note 1).
_ESCAPED_TO_TEXT = _EXTENDED | {_ESCAPE: " ", "": " "}
_FROM_OCTETS = _BASIC + "\ufffd" * 128

_basic_class = re.escape(_BASIC.replace(_ESCAPE, ""))
_extended_class = re.escape("".join(_EXTENDED.values()))
_ALL_BASIC = re.compile(f"[{_basic_class}]*+")
_EXTENDED_CHARACTER = re.compile(f"[{_extended_class}]")
_NOT_GSM7 = re.compile(f"[^{_basic_class}{_extended_class}]")
_ESCAPE_PAIR = re.compile(f"{_ESCAPE}(.?)", re.DOTALL)

_CLUSTER = regex.compile(r"\X")
# Two characters that never join each other (UAX #29), or CR LF, which Twilio counts as two: most text can be cut
# without finding its clusters, which costs some 0.3 µs a character.
_APART = regex.compile(r"[\p{GCB=Other}\p{GCB=LV}\p{GCB=LVT}\r\n]{2}")


def length(body: str) -> int:
    """The length in UTF-16 units, as Twilio counts toward its limit of 1600 (error 21617)."""
    return len(encode_ucs2(body)) // 2


def measure(body: str) -> Measure:
    """The encoding a body needs, and its size: one character outside the GSM alphabet makes all of it UCS-2."""
    if _ALL_BASIC.fullmatch(body):
        encoding, units, alone = Encoding.GSM7, len(body), _SEPTETS_ALONE
    elif _NOT_GSM7.search(body) is None:
        encoding, units, alone = Encoding.GSM7, len(body) + len(_EXTENDED_CHARACTER.findall(body)), _SEPTETS_ALONE
    else:
        encoding, units, alone = Encoding.UCS2, length(body), _UNITS_ALONE
    return Measure(encoding, 1 if units <= alone else len(split(body, encoding)), units)


def split(body: str, encoding: Encoding) -> list[str]:
    """The texts of the segments, in order; joined they are the body, and an empty body is one empty segment.

    Escape pairs, surrogate pairs and grapheme clusters stay whole, so a part may be under-filled; only a cluster
    that no part could hold is cut, between code points. Raises UnencodableText if GSM7 cannot spell the body.
    """
    return _split_gsm7(body) if encoding is Encoding.GSM7 else _split_ucs2(body)


def _split_gsm7(body: str) -> list[str]:
    septets = encode_gsm7(body)
    if len(septets) <= _SEPTETS_ALONE:
        return [body]
    parts = []
    start = 0
    while start < len(septets):
        end = start + _SEPTETS_A_PART
        if septets[end - 1 : end] == b"\x1b":
            end -= 1
        parts.append(decode_gsm7(septets[start:end]))
        start = end
    return parts


def _split_ucs2(body: str) -> list[str]:
    if length(body) <= _UNITS_ALONE:
        return [body]
    parts = []
    start = 0
    while start < len(body):
        end = start + _UNITS_A_PART
        while (excess := length(body[start:end]) - _UNITS_A_PART) > 0:
            end -= (excess + 1) // 2  # a character has two units at most, so this never drops one too many
        end = _last_boundary(body, start, end)
        parts.append(body[start:end])
        start = end
    return parts


def _last_boundary(body: str, start: int, end: int) -> int:
    """The last place up to `end` that divides no cluster; `end` itself if the first cluster goes beyond it."""
    if end >= len(body) or _APART.match(body, end - 1):
        return end
    boundaries = (cluster.end() for cluster in _CLUSTER.finditer(body, start))
    return max(takewhile(lambda boundary: boundary <= end, boundaries), default=end)


def smart_encode(body: str) -> str:
    """The body with look-alikes of GSM characters replaced by them (Twilio's Smart Encoding)."""
    return body.translate(SMART_ENCODING)


def encode_gsm7(text: str) -> bytes:
    """Unpacked GSM 7-bit: one octet a septet, 0x1B before an extended character. Raises UnencodableText."""
    if stray := _NOT_GSM7.search(text):
        raise UnencodableText(stray.group(), stray.start())
    return text.translate(_TO_SEPTETS).encode("ascii")


def decode_gsm7(data: bytes) -> str:
    """The text of unpacked GSM 7-bit octets, whatever they are; nothing is raised.

    As 3GPP TS 23.038 has handsets do: an escape before a code without an extended character shows the basic one,
    an escape before another escape or at the end is a space. An octet over 0x7F becomes U+FFFD.
    """
    text, _ = codecs.charmap_decode(data, "strict", _FROM_OCTETS)
    return _ESCAPE_PAIR.sub(_unescape, text) if _ESCAPE in text else text


def _unescape(pair: re.Match[str]) -> str:
    return _ESCAPED_TO_TEXT.get(pair[1], pair[1])


def pack_septets(septets: bytes, fill_bits: int = 0) -> bytes:
    """Eight septets in seven octets, lowest bits first (3GPP TS 23.038 §6.1.2.1), after `fill_bits` zero bits.

    A part behind a user data header starts on a septet boundary: fill_bits is 1 for a header of 6 octets, 0 for 7.
    Unused bits are zero. Raises ValueError for an octet over 0x7F.
    """
    if not septets.isascii():
        raise ValueError("a septet is at most 0x7F: encode the text with encode_gsm7 first")
    bits = 0
    for septet in reversed(septets):
        bits = bits << 7 | septet
    return (bits << fill_bits).to_bytes((fill_bits + 7 * len(septets) + 7) // 8, "little")


def unpack_septets(packed: bytes, fill_bits: int = 0, count: int | None = None) -> bytes:
    """The septets, one an octet, of packed octets; the inverse of `pack_septets`.

    Without `count` every septet that fits is taken; then seven unused bits at the end read as `@`, so give the
    count (the user data length) where the carrier tells it. Fewer come back if the octets end early.
    """
    fitting = max(0, (8 * len(packed) - fill_bits) // 7)
    bits = int.from_bytes(packed, "little") >> fill_bits
    wanted = fitting if count is None else min(count, fitting)
    return bytes(bits >> 7 * position & 0x7F for position in range(wanted))


def encode_ucs2(text: str) -> bytes:
    """UTF-16, big-endian, no byte order mark. A lone surrogate is passed on as it is."""
    return text.encode("utf-16-be", "surrogatepass")


def decode_ucs2(data: bytes) -> str:
    """The text of big-endian UTF-16; a lone surrogate or an odd last octet becomes U+FFFD, nothing is raised.

    Join the octets of a message's parts first: some senders cut a surrogate pair across parts.
    """
    return data.decode("utf-16-be", "replace")
