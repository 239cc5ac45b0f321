"""Multipart bodies, byte for byte."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.carriers.mm7.mmsc_peer import EVERY_BYTE
from tidings.carriers.mm7.mime import MAX_DEPTH, MAX_PARTS, Malformed, leaves, multipart, parameter, part


@given(st.lists(st.binary(max_size=200) | st.sampled_from([EVERY_BYTE, b"\n", b"\r\n", b"--", b"\r\n--"])))
def test_parts_come_back_byte_for_byte(contents: list[bytes]) -> None:
    for encoding in ("binary", "base64"):
        kind, body = multipart("mixed", [part("image/png", each, "id", encoding=encoding) for each in contents])
        found = leaves(kind, body) if contents else []
        assert [leaf.content for leaf in found] == contents


def test_base64_travels_in_short_lines() -> None:
    _, body = multipart("mixed", [part("image/png", EVERY_BYTE, "a", encoding="base64")])
    assert max(len(line) for line in body.split(b"\r\n")) <= 76
    assert body.isascii()
    assert b"\n" not in body.replace(b"\r\n", b"")


def test_a_part_says_what_it_is() -> None:
    kind, body = multipart("mixed", [part("text/vcard; charset=utf-8", b"x", "card@here", "me.vcf")])
    (leaf,) = leaves(kind, body)
    assert (leaf.type, leaf.charset, leaf.id, leaf.name) == ("text/vcard", "utf-8", "card@here", "me.vcf")


def test_multiparts_within_multiparts_are_flattened_in_order() -> None:
    inner_kind, inner = multipart("alternative", [part("a/b", b"2", "2"), part("a/b", b"3", "3")])
    nested = f"Content-Type: {inner_kind}\r\n\r\n".encode() + inner
    kind, body = multipart("related", [part("a/b", b"1", "1"), nested, part("a/b", b"4", "4")], 'type="a/b"; ')
    assert [leaf.content for leaf in leaves(kind, body)] == [b"1", b"2", b"3", b"4"]
    assert parameter(kind, "type") == "a/b"


def lines(*written: str) -> bytes:
    return "\r\n".join(written).encode()


@pytest.mark.parametrize(
    ("body", "contents"),
    [
        (lines("--x", "", "a", "--x--"), [b"a"]),  # no headers: text
        (lines("before", "--x", "A: b", "", "a", "--x--", "after"), [b"a"]),
        (lines("--x  ", "A: b", "", "a", "--x--  "), [b"a"]),  # padding behind the boundary
        (lines("--x", "A: b", "", "", "--x--"), [b""]),
        (lines("--x", "A: b", "", "--xy", "-x", " --x", "--x--"), [b"--xy\r\n-x\r\n --x"]),  # none of these is one
        (b"--x\nA: b\n\na\n--x\n\nb\n--x--\n", [b"a", b"b"]),  # lines that end as in Unix
        (lines("--x", "A: b", "", "--x--y", "--x--"), [b"--x--y"]),  # of an inner one, that begins like ours
        (lines("--x", "A: b", "", "a"), [b"a"]),  # no last boundary
        (lines("--x", "A: b", "", "a", "--x"), [b"a"]),
        (lines("--x--"), []),
    ],
)
def test_odd_multiparts_are_read(body: bytes, contents: list[bytes]) -> None:
    assert [leaf.content for leaf in leaves("multipart/mixed; boundary=x", body)] == contents


@pytest.mark.parametrize(
    ("head", "content", "decoded"),
    [
        ("Content-Transfer-Encoding: BASE64", "aGVs\r\nbG8=", b"hello"),
        ("Content-Transfer-Encoding: quoted-printable", "a=3Db=\r\nc", b"a=bc"),
        ("Content-Transfer-Encoding: 8bit", "a=3Db", b"a=3Db"),
        ("X: y", "a=3Db", b"a=3Db"),
    ],
)
def test_transfer_encodings_are_undone(head: str, content: str, decoded: bytes) -> None:
    (leaf,) = leaves("multipart/mixed; boundary=x", lines("--x", head, "", content, "--x--"))
    assert leaf.content == decoded


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ('Content-Type: image/png; name="a b.png"', "a b.png"),
        ("Content-Disposition: attachment; filename=a.png", "a.png"),
        ("Content-Disposition: attachment; filename*=utf-8''gr%C3%BC%C3%9Fe.png", "grüße.png"),
        ('Content-Type: image/png;\r\n name="=?utf-8?B?w6QucG5n?="', "ä.png"),
        ("Content-Location: smil/a.png", "smil/a.png"),
        ("Content-ID: <a.png>", ""),
    ],
)
def test_names_are_found_where_mmscs_write_them(head: str, name: str) -> None:
    (leaf,) = leaves("multipart/mixed; boundary=x", lines("--x", head, "", "", "--x--"))
    assert leaf.name == name


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/mixed", b"--x\r\n\r\n--x--"),
        ("multipart/mixed; boundary=x", b""),
        ("multipart/mixed; boundary=x", b"--y\r\n\r\n--y--"),
        ("multipart/mixed; boundary=x", lines("--x", "A: b", "--x--")),
        ("multipart/mixed; boundary=x", lines("--x", "Content-Transfer-Encoding: x-uuencode", "", "", "--x--")),
        ("multipart/mixed; boundary=x", lines("--x", "Content-Transfer-Encoding: base64", "", "abc", "--x--")),
        ("multipart/mixed; boundary=x", b"--x\r\n" + b"A: b\r\n" * 10_000 + b"\r\n--x--"),
        ("multipart/mixed; boundary=x", b"--x\r\n\r\na\r\n" * (MAX_PARTS + 1) + b"--x--"),
    ],
)
def test_what_is_no_multipart_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(Malformed):
        leaves(kind, body)


def test_nesting_has_an_end() -> None:
    body, kind = b"bottom", "text/plain"
    for _ in range(MAX_DEPTH + 1):
        kind, body = multipart("mixed", [f"Content-Type: {kind}\r\n\r\n".encode() + body])
    with pytest.raises(Malformed):
        leaves(kind, body)


NAMES = st.sampled_from(["Content-Type", "Content-ID", "Content-Disposition", "Content-Transfer-Encoding"])
PIECES = st.sampled_from(
    ["a/b", ";", "name=", "filename*=", "charset=", "=?utf-8?B?", "?=", '"', "''", "%", "\r\n ", " "]
)


@given(NAMES, st.lists(PIECES | st.text(max_size=3), max_size=8), st.binary())
def test_whatever_comes_is_read_or_refused(name: str, value: list[str], body: bytes) -> None:
    head = f"{name}: {''.join(value)}".encode("utf-8", "surrogatepass")
    with suppress(Malformed):
        leaves("multipart/mixed; boundary=x", b"--x\r\n" + head + b"\r\n\r\n" + body)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")), st.binary())
def test_whatever_it_says_it_is_it_is_read_or_refused(kind: str, body: bytes) -> None:
    for content_type in (kind, f"multipart/related; boundary={kind}"):
        with suppress(Malformed):
            leaves(content_type, body)


@pytest.mark.parametrize(
    "kind", ["image/png\r\nX-Evil: 1", 'image/png; name="a\nb"', "image", "", "a/b; c", 'a/b; c="\\""']
)
def test_a_content_type_cannot_break_out_of_its_header(kind: str) -> None:
    written = part(kind, b"x", "id", 'a"\r\nX-Evil: 1')
    assert b"Evil: 1" not in written
    (leaf,) = leaves(*multipart("mixed", [written]))
    assert (leaf.type, leaf.name) == ("application/octet-stream", "a_X-Evil_1")


@pytest.mark.parametrize("kind", ["image/png\r\n\tx", 'image/png"', "nothing", "a/b/c"])
def test_a_content_type_that_is_none_is_not_passed_on(kind: str) -> None:
    (leaf,) = leaves("multipart/mixed; boundary=x", lines("--x", f"Content-Type: {kind}", "", "a", "--x--"))
    assert leaf.type in ("application/octet-stream", "text/plain")
