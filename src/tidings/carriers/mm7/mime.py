"""MIME as media messages travel in it over HTTP: multipart bodies taken apart and put together, byte for byte.

`wire` reads and writes MM7 with it. Bodies are cut at their boundaries as bytes (RFC 2046 §5.1.1): the standard
library's parser goes through them line by line, and pictures have none. The headers of parts are its business.
"""

import binascii
import quopri
import re
import secrets
from base64 import encodebytes
from collections.abc import Iterator, Sequence
from contextlib import suppress
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import HeaderParser
from typing import Final, Literal

import msgspec

MAX_PARTS: Final = 100
MAX_DEPTH: Final = 4
"""Multiparts within multiparts; MM7 has two: the envelope with the content, and the content."""
MAX_HEAD: Final = 16 * 1024
"""Octets of the headers of one part."""

TransferEncoding = Literal["binary", "base64"]

_SAFE_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+(; ?[\w.+-]+=(\"[^\"\\\r\n]*\"|[\w.+-]+))*", re.ASCII)
_CHARSET: Final = re.compile(r"[\w.:-]{1,40}", re.ASCII)
_UNSAFE_NAME: Final = re.compile(r"[^\w.-]+", re.ASCII)
_MAX_NAME: Final = 64
_AS_IT_IS: Final = frozenset({"", "7bit", "8bit", "binary"})
_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")


class Malformed(ValueError):
    """What came is not MIME, XML or MM7 that can be read; the message says why, for people."""


class Leaf(msgspec.Struct, frozen=True):
    """A part that has no parts of its own."""

    type: str
    """Lower case, without parameters: "image/jpeg"."""
    charset: str
    """"" where none is named."""
    id: str
    """Content-ID without its brackets, "" where it has none."""
    name: str
    """File name, "" where it has none."""
    content: bytes
    """Free of its transfer encoding."""


# --- reading


def leaves(content_type: str, body: bytes) -> list[Leaf]:
    """What a body of that Content-Type holds, in order; the body itself where it is no multipart.

    Raises Malformed.
    """
    headers = _headers(f"Content-Type: {content_type}")
    found: list[Leaf] = []
    for leaf in _leaves(headers, body, MAX_DEPTH):
        found.append(leaf)
        if len(found) > MAX_PARTS:
            raise Malformed(f"more than {MAX_PARTS} parts")
    return found


def parameter(content_type: str, name: str) -> str:
    """A parameter of a Content-Type, "" where it has none of that name."""
    return _parameter(_headers(f"Content-Type: {content_type}"), name)


def bare_id(reference: str) -> str:
    """A Content-ID without what is written around it: `<a@b>`, `cid:a@b`."""
    return reference.strip().removeprefix("cid:").strip("<>")


def _leaves(headers: Message, body: bytes, depth: int) -> Iterator[Leaf]:
    if headers.get_content_maintype() != "multipart":
        yield _leaf(headers, body)
        return
    if not depth:
        raise Malformed(f"multiparts are nested more than {MAX_DEPTH} deep")
    boundary = _parameter(headers, "boundary")
    if not boundary:
        raise Malformed("a multipart names no boundary")
    for part in _split(body, b"--" + boundary.encode("latin-1", "replace")):
        yield from _leaves(*_open(part), depth - 1)


def _split(body: bytes, delimiter: bytes) -> Iterator[bytes]:
    """The parts between delimiter lines. Where the last delimiter is missing, HTTP has said where all ends."""
    start: int | None = None
    at = body.find(delimiter)
    while at >= 0:
        end = at + len(delimiter)
        line = body.find(b"\n", end)
        rest = body[end : line if line >= 0 else len(body)].strip(b" \t\r")
        if (at == 0 or body[at - 1] == 0x0A) and rest in (b"", b"--"):
            if start is not None:
                yield _without_line_end(body[start:at])
            if rest or line < 0:
                return
            start = end = line + 1
        at = body.find(delimiter, end)
    if start is None:
        raise Malformed("a multipart does not have its boundary")
    yield _without_line_end(body[start:])


def _without_line_end(content: bytes) -> bytes:
    """The line end before a delimiter belongs to the delimiter."""
    return content[:-2] if content.endswith(b"\r\n") else content.removesuffix(b"\n")


def _open(part: bytes) -> tuple[Message, bytes]:
    """The headers and the content of a part."""
    if part.startswith((b"\n", b"\r\n")):
        return Message(), part[part.index(b"\n") + 1 :]
    blank = _BLANK_LINE.search(part, 0, MAX_HEAD)
    if blank is None:
        raise Malformed("a part has no end to its headers")
    return _headers(part[: blank.end()].decode("utf-8", "replace")), part[blank.end() :]


def _headers(lines: str) -> Message:
    return HeaderParser().parsestr(lines)


def _leaf(headers: Message, body: bytes) -> Leaf:
    kind, charset = headers.get_content_type(), _parameter(headers, "charset").lower()
    return Leaf(
        type=kind if _SAFE_TYPE.fullmatch(kind) else "application/octet-stream",
        charset=charset if _CHARSET.fullmatch(charset) else "",
        id=bare_id(_text(headers.get("Content-ID"))),
        name=_text(headers.get_filename() or headers.get("Content-Location")),
        content=_decoded(_text(headers.get("Content-Transfer-Encoding")).lower(), body),
    )


def _decoded(encoding: str, body: bytes) -> bytes:
    if encoding in _AS_IT_IS:
        return body
    if encoding == "base64":
        try:
            return binascii.a2b_base64(body)
        except binascii.Error as error:
            raise Malformed(f"a part is not base64: {error}") from None
    if encoding == "quoted-printable":
        return quopri.decodestring(body)
    raise Malformed(f"a part has the transfer encoding {encoding!r}")


def _parameter(headers: Message, name: str) -> str:
    value = headers.get_param(name, "")
    return _text(value[2] if isinstance(value, tuple) else value)


def _text(value: object) -> str:
    """A header's value as text on one line, whatever it was written in."""
    given = str(value or "")
    # An encoded word that is none is left as it stands.
    with suppress(LookupError, ValueError, MessageError):
        given = str(make_header(decode_header(given)))
    return " ".join(given.split())


# --- writing


def part(
    content_type: str, content: bytes, id: str, name: str = "", encoding: TransferEncoding = "binary"
) -> bytes:
    """A part of a multipart, headers and all. What could break out of a header is not let into one."""
    kind = content_type if _SAFE_TYPE.fullmatch(content_type) else "application/octet-stream"
    name = _UNSAFE_NAME.sub("_", name)[-_MAX_NAME:]
    head = f'Content-Type: {kind}; name="{name}"' if name else f"Content-Type: {kind}"
    location = f"Content-Location: {name}\r\n" if name else ""
    lines = f"{head}\r\nContent-ID: <{id}>\r\n{location}Content-Transfer-Encoding: {encoding}\r\n\r\n"
    return lines.encode() + (encodebytes(content).replace(b"\n", b"\r\n") if encoding == "base64" else content)


def multipart(subtype: str, parts: Sequence[bytes], parameters: str = "") -> tuple[str, bytes]:
    """(Content-Type, body) of a multipart. `parameters` of its Content-Type stand before the boundary."""
    # 128 random bits do not turn up in any content.
    boundary = f"tidings-{secrets.token_hex(16)}"
    delimiter = f"\r\n--{boundary}".encode()
    body = b"".join(piece for part in parts for piece in (delimiter, b"\r\n", part))
    content_type = f'multipart/{subtype}; {parameters}boundary="{boundary}"'
    return content_type, body.removeprefix(b"\r\n") + delimiter + b"--\r\n"
