"""Answers to challenges, by the examples of the RFCs."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence

import pytest

from tidings.callbacks.credentials import authorization, parse_challenges

# RFC 7616 §3.9.1
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
REALM = 'realm="http-auth@example.org"'
NONCE = 'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"'
OPAQUE = 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
SHA256 = f'Digest {REALM}, qop="auth, auth-int", algorithm=SHA-256, {NONCE}, {OPAQUE}'
MD5 = f'Digest {REALM}, qop="auth, auth-int", algorithm=MD5, {NONCE}, {OPAQUE}'
FIELD = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))')
BASIC = 'Basic realm="simple", charset="UTF-8"'


def answer(*challenges: str, user: str = "Mufasa", password: str = "Circle of Life", cnonce: str = CNONCE) -> str:
    given = authorization(
        [challenge.encode() for challenge in challenges], "GET", "/dir/index.html", user, password, cnonce=cnonce
    )
    return (given or b"").decode()


def fields(digest: str) -> dict[str, str]:
    assert digest.startswith("Digest ")
    return {name: quoted or plain for name, quoted, plain in FIELD.findall(digest)}


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("challenge", "algorithm", "response"),
    [
        (MD5, "MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        (SHA256, "SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_examples_of_rfc_7616(challenge: str, algorithm: str, response: str) -> None:
    assert fields(answer(challenge)) == {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "algorithm": algorithm,
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": CNONCE,
        "qop": "auth",
        "response": response,
        "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    }


def test_example_of_rfc_2617_without_an_algorithm() -> None:
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    challenge = f'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="{nonce}"'
    given = fields(answer(challenge, password="Circle Of Life", cnonce="0a4f113b"))
    assert given["response"] == "6629fae49393a05397450978507c4ef1"
    assert "algorithm" not in given


def test_server_without_qop_is_answered_by_the_older_rule() -> None:
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    given = fields(answer(f'Digest realm="testrealm@host.com", nonce="{nonce}"', password="CircleOfLife"))
    assert given["response"] == "1949323746fe6a43ef61f9606e7febea"  # RFC 2069 §2.4, erratum 749
    assert given.keys() == {"username", "realm", "nonce", "uri", "response"}


@pytest.mark.parametrize(("algorithm", "digest"), [("MD5-sess", md5), ("sha-256-SESS", sha256)])
@pytest.mark.parametrize("qop", ["auth", None])
def test_session_algorithms_hash_both_nonces_into_the_secret(
    algorithm: str, digest: object, qop: str | None
) -> None:
    assert callable(digest)
    challenge = f'Digest realm="r", nonce="n", algorithm={algorithm}' + (f", qop={qop}" if qop else "")
    secret = digest(f"{digest('Mufasa:r:Circle of Life')}:n:{CNONCE}")
    quality = f"00000001:{CNONCE}:auth:" if qop else ""
    given = fields(answer(challenge))
    assert given["response"] == digest(f"{secret}:n:{quality}{digest('GET:/dir/index.html')}")
    assert (given["algorithm"], given["cnonce"]) == (algorithm, CNONCE)


def test_basic_is_user_and_password() -> None:
    # RFC 7617 §2 and §2.1
    assert answer(BASIC, user="Aladdin", password="open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert answer(BASIC, user="test", password="123\u00a3") == "Basic dGVzdDoxMjPCow=="
    assert answer("bASIC") == "Basic " + base64.b64encode(b"Mufasa:Circle of Life").decode()


@pytest.mark.parametrize(
    ("challenges", "scheme"),
    [
        ([BASIC, MD5], "Digest MD5"),
        ([f"{BASIC}, {MD5}"], "Digest MD5"),
        ([f"{MD5}, {BASIC}"], "Digest MD5"),
        ([SHA256, MD5], "Digest SHA-256"),
        ([f"{MD5},{SHA256}"], "Digest MD5"),
        ([MD5.replace("algorithm=MD5", "algorithm=SHA-512-256"), SHA256], "Digest SHA-256"),
        ([MD5.replace("algorithm=MD5", "algorithm=SHA-512-256"), BASIC], "Basic"),
        ([MD5.replace("auth, auth-int", "auth-int"), BASIC], "Basic"),
        ([MD5.replace(NONCE, ""), BASIC], "Basic"),
        ([MD5.replace(REALM, ""), BASIC], "Basic"),
        ([f"Negotiate, {BASIC}"], "Basic"),
        ([f"Negotiate oYG2MIGz==, {BASIC}"], "Basic"),
        (['Bearer realm="a, Basic realm=b", error="x"', BASIC], "Basic"),
        (['NewAuth realm=apps, type=1, title="Login to \\"apps\\"", Basic realm=simple'], "Basic"),
        (["digest Realm=r , NONCE = n , Qop=AUTH"], "Digest"),
        ([", ,Basic"], "Basic"),
        (["Negotiate"], ""),
        (['Bearer realm="Basic"'], ""),
        (['realm="x"'], ""),
        (['=, @@ ,"Basic'], ""),
        ([""], ""),
        ([], ""),
    ],
)
def test_first_digest_that_is_understood_is_answered_before_basic(challenges: Sequence[str], scheme: str) -> None:
    given = answer(*challenges)
    name, _, algorithm = scheme.partition(" ")
    assert given.partition(" ")[0] == name
    if algorithm:
        assert fields(given)["algorithm"] == algorithm


def test_stale_nonce_is_answered_with_the_new_one() -> None:
    given = fields(answer(f"{MD5}, stale=true"))
    assert given["response"] == "8ca523f5e9506fed4657c9700eebdbec"
    assert "stale" not in given


def test_quotes_and_bytes_come_back_as_they_were_said() -> None:
    challenge = b'Digest realm="caf\xe9 \\"x\\"", nonce="n"'
    given = authorization([challenge], "GET", "/", 'a"b', "c")
    assert given is not None
    assert b'realm="caf\xe9 \\"x\\""' in given
    assert b'username="a\\"b"' in given


def test_nonce_of_ours_is_a_new_one_each_time() -> None:
    made = {fields(answer(MD5, cnonce=""))["cnonce"] for _ in range(20)}
    assert len(made) == 20


@pytest.mark.parametrize(("user", "password"), [("a\r\nX: y", "b"), ("a", "b\n"), ("\0", "b"), ("a", "\x7f")])
@pytest.mark.parametrize("challenge", [BASIC, MD5])
def test_control_characters_go_into_no_header(user: str, password: str, challenge: str) -> None:
    assert answer(challenge, user=user, password=password) == ""


@pytest.mark.parametrize(
    ("value", "challenges"),
    [
        ("Basic", [("basic", {})]),
        ('Basic realm="a, b"', [("basic", {"realm": "a, b"})]),
        ('A x=1, y="2", B, C z=3', [("a", {"x": "1", "y": "2"}), ("b", {}), ("c", {"z": "3"})]),
        ("A x=1, X=2", [("a", {"x": "1"})]),
    ],
)
def test_header_is_taken_apart(value: str, challenges: Sequence[tuple[str, Mapping[str, str]]]) -> None:
    assert list(parse_challenges(value)) == challenges
