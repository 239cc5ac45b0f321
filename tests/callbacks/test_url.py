"""What is a callback URL, and what of it goes where."""

import pytest

from tidings.callbacks.url import MAX_URL, InvalidUrl, parse_url


@pytest.mark.parametrize(
    ("text", "origin", "target", "host_line"),
    [
        ("http://example.com", ("http", "example.com", 80), "/", "example.com"),
        ("HTTPS://Example.COM/A/b", ("https", "example.com", 443), "/A/b", "example.com"),
        ("https://example.com:443/", ("https", "example.com", 443), "/", "example.com"),
        ("https://example.com:8443/x", ("https", "example.com", 8443), "/x", "example.com:8443"),
        ("http://example.com:443/", ("http", "example.com", 443), "/", "example.com:443"),
        ("http://example.com:/", ("http", "example.com", 80), "/", "example.com"),
        ("http://example.com?a=1", ("http", "example.com", 80), "/?a=1", "example.com"),
        ("http://h/p?a=%20%2f&b=@:/?", ("http", "h", 80), "/p?a=%20%2f&b=@:/?", "h"),
        ("http://h//double", ("http", "h", 80), "//double", "h"),
        ("http://[2001:DB8::1]:81/", ("http", "2001:db8::1", 81), "/", "[2001:db8::1]:81"),
        ("http://192.0.2.1/", ("http", "192.0.2.1", 80), "/", "192.0.2.1"),
        ("http://xn--bcher-kva.example/", ("http", "xn--bcher-kva.example", 80), "/", "xn--bcher-kva.example"),
        ("http://example.com./", ("http", "example.com.", 80), "/", "example.com."),
        ("http://h/p#rc=2", ("http", "h", 80), "/p", "h"),
        ("http://h#rc=2", ("http", "h", 80), "/", "h"),
    ],
)
def test_url_is_taken_apart(text: str, origin: tuple[str, str, int], target: str, host_line: str) -> None:
    url = parse_url(text)
    assert url.origin == origin == (url.scheme, url.host, url.port)
    assert url.target == target
    assert url.wire == f"{target} HTTP/1.1\r\nHost: {host_line}\r\n".encode()


def test_fragment_is_kept_apart_and_not_sent() -> None:
    url = parse_url("https://example.com/cb?x=1#rc=2&rt=500")
    assert url.fragment == "rc=2&rt=500"
    assert b"rc=2" not in url.wire


def test_text_is_the_url_as_given_but_for_its_fragment() -> None:
    assert parse_url("HTTPS://u:p@Example.COM:443?a=%20#rc=2").text == "HTTPS://u:p@Example.COM:443?a=%20"


def test_userinfo_becomes_credentials_and_is_not_sent() -> None:
    url = parse_url("https://al%40ice:p%3Ass@example.com/cb")
    assert url.credentials == ("al@ice", "p:ss")
    assert b"al" not in url.wire
    assert "p:ss" not in repr(url)
    assert parse_url("https://example.com/").credentials is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "https://host/path"),
        ("example.com/cb", "https://host/path"),
        ("/cb", "https://host/path"),
        ("http:/example.com", "https://host/path"),
        ("http:example.com", "https://host/path"),
        ("//example.com/cb", "https://host/path"),
        ("ftp://example.com/", "only http and https"),
        ("javascript://example.com/%0aalert(1)", "only http and https"),
        ("http://", "no host"),
        ("http:///cb", "no host"),
        ("http://:80/", "no host"),
        ("http://user@/", "no host"),
        ("http://my_host.example/", "underscore"),
        ("http://-a.example/", "not a host name"),
        ("http://a-.example/", "not a host name"),
        ("http://a..example/", "not a host name"),
        ("http://exa%6dple.com/", "not a host name"),
        ("http://a.example\\@b.example/", "https://host/path"),
        ("http://" + "a" * 64 + ".example/", "not a host name"),
        ("http://" + "a." * 127 + "example/", "not a host name"),
        ("http://h:0/", "port"),
        ("http://h:65536/", "port"),
        ("http://h:99999999999999999999/", "port"),
        ("http://h:8o/", "port"),
        ("http://h:-1/", "port"),
        ("http://[::1/", "https://host/path"),
        ("http://[::g]/", "not an IPv6 address"),
        ("http://[fe80::1%25eth0]/", "zone"),
        ("http://2130706433/", "four decimal numbers"),
        ("http://0x7f.0.0.1/", "four decimal numbers"),
        ("http://0x7f000001/", "four decimal numbers"),
        ("http://0177.0.0.1/", "four decimal numbers"),
        ("http://127.1/", "four decimal numbers"),
        ("http://1.2.3.256/", "four decimal numbers"),
        ("http://h/a b", "percent-encode"),
        ("http://h/a\r\nX: y", "percent-encode"),
        ("http://h/\x00", "percent-encode"),
        ("http://h/é", "percent-encode"),
        ("http://bücher.example/", "xn--"),
        ("http://a@b@c/", "https://host/path"),
    ],
)
def test_what_is_not_a_callback_url_is_told_why(text: str, reason: str) -> None:
    with pytest.raises(InvalidUrl, match=reason):
        parse_url(text)


def test_a_url_may_have_4000_characters() -> None:
    start = "https://example.com/"
    assert parse_url(start + "a" * (MAX_URL - len(start))).port == 443
    with pytest.raises(InvalidUrl, match="4000"):
        parse_url(start + "a" * (MAX_URL - len(start) + 1))


def test_a_url_is_taken_apart_once() -> None:
    assert parse_url("https://example.com/again") is parse_url("https://example.com/again")
