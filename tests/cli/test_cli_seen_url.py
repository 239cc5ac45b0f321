"""What `explain-signature` says of two URLs: which piece differs, and how."""

import pytest

from tidings.cli.seen_url import differences

SIGNED = "https://app.example.com/status/a?x=1&y=2"


@pytest.mark.parametrize(
    ("signed", "seen", "told"),
    [
        (SIGNED, SIGNED, {}),
        (SIGNED, SIGNED + "#fragment", {}),
        (
            SIGNED,
            "http://app.example.com/status/a?x=1&y=2",
            {"scheme": "signed https, seen http: TLS ends before the application does"},
        ),
        (
            SIGNED,
            "https://10.0.0.7:3000/status/a?x=1&y=2",
            {"host": "signed app.example.com, seen 10.0.0.7", "port": "signed none, seen 3000"},
        ),
        (
            SIGNED,
            "https://App.example.com/status/a?x=1&y=2",
            {"host": "signed app.example.com, seen App.example.com: only in letter case"},
        ),
        (
            SIGNED,
            "https://app.example.com:443/status/a?x=1&y=2",
            {"port": "signed none, seen 443: the same one, but only one of the two spells it out"},
        ),
        (
            "http://h:80/",
            "http://h/",
            {"port": "signed 80, seen none: the same one, but only one of the two spells it out"},
        ),
        ("http://h/", "https://h/", {"scheme": "signed http, seen https"}),
        ("http://[::1]:80/", "http://[::2]:80/", {"host": "signed [::1], seen [::2]"}),
        ("http://h/a", "http://h/a/", {"path": "signed /a, seen /a/: only a trailing slash"}),
        ("http://h", "http://h/", {"path": "signed none, seen /: only a trailing slash"}),
        ("http://h/a%2Fb", "http://h/a/b", {"path": "signed /a%2Fb, seen /a/b: only in percent-encoding"}),
        ("http://h/v1/a", "http://h/a", {"path": "signed /v1/a, seen /a"}),
        (SIGNED, "https://app.example.com/status/a", {"query": "signed ?x=1&y=2, seen none"}),
        ("http://h/", "http://h/?x=1", {"query": "signed none, seen ?x=1"}),
        ("http://h/?x=1&y=2", "http://h/?y=2&x=1", {"query": "the same parameters in another order"}),
        ("http://h/?x=a%20b", "http://h/?x=a+b", {"query": "only in encoding: x=a%20b is x=a+b"}),
        ("http://h/?x=1&y=2", "http://h/?x=1&z=3", {"query": "y=2 missing, z=3 added"}),
        ("http://h/?x=1&x=1", "http://h/?x=1", {"query": "signed ?x=1&x=1, seen ?x=1"}),
        (
            "http://***@h/",
            "http://h/",
            {
                "user and password": "signed with those in the URL, seen without: "
                "they have to be put back in front of the host"
            },
        ),
        ("http://***@h/", "http://us:hush@h/", {}),
        ("http://h/", "http://us:hush@h/", {"user and password": "signed without, seen with some"}),
    ],
)
def test_each_piece_that_differs_is_named(signed: str, seen: str, told: dict[str, str]) -> None:
    assert {difference.piece: difference.words for difference in differences(signed, seen)} == told


@pytest.mark.parametrize("seen", ["/status", "app.example.com/status", ""])
def test_what_is_no_whole_url_is_refused(seen: str) -> None:
    with pytest.raises(ValueError, match="no whole URL"):
        differences(SIGNED, seen)
