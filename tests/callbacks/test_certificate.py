"""Whether a certificate was made for a host; `test_transport_tls` shows it over real handshakes."""

from typing import Any

import pytest

from tidings.callbacks.certificate import made_for


def names(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"subject": (), "subjectAltName": pairs}


@pytest.mark.parametrize(
    ("host", "certificate", "made"),
    [
        ("app.example", names(("DNS", "app.example")), True),
        ("app.example", names(("DNS", "other.example"), ("DNS", "App.Example")), True),
        ("a.app.example", names(("DNS", "*.app.example")), True),
        ("xn--bcher-kva.example", names(("DNS", "xn--bcher-kva.example")), True),
        ("192.0.2.1", names(("IP Address", "192.0.2.1")), True),
        ("2001:db8::1", names(("IP Address", "2001:DB8:0:0:0:0:0:1")), True),
        ("app.example", names(("DNS", "app.example.other")), False),
        ("app.example", names(("DNS", "app.example\0.other")), False),
        ("a.b.app.example", names(("DNS", "*.app.example")), False),
        ("app.example", names(("DNS", "*.example")), False),
        ("app.example", names(("DNS", "*")), False),
        ("a.app.example", names(("DNS", "a*.app.example")), False),
        ("a.app.example", names(("DNS", "a.*.example")), False),
        ("app.example", names(("URI", "app.example"), ("email", "app.example")), False),
        ("192.0.2.1", names(("DNS", "192.0.2.1")), False),
        ("192.0.2.1", names(("DNS", "*.0.2.1")), False),
        ("192.0.2.1", names(("IP Address", "<invalid>"), ("IP Address", "192.0.2.2")), False),
        ("app.example", names(("IP Address", "<invalid>")), False),
        ("app.example", {"subject": ((("commonName", "app.example"),),)}, False),
        ("app.example", {}, False),
        ("app.example", None, False),
    ],
)
def test_only_the_alternative_names_count(host: str, certificate: dict[str, Any] | None, made: bool) -> None:
    assert made_for(host, certificate) is made
