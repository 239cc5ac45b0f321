import msgspec
import pytest

from tidings.carriers.mm7.settings import Mm7Settings

GOOD = {
    "kind": "mm7",
    "name": "mms",
    "url": "https://mmsc.example.net:8443/mm7/v1",
    "vasp_id": "us",
    "inbound_user": "mmsc",
    "inbound_password": "secret-word",
}


def test_what_is_needed_is_enough() -> None:
    settings = msgspec.convert(GOOD, Mm7Settings)
    assert settings.namespace.endswith("/REL-6-MM7-1-4")
    assert settings.version == "6.8.0"
    assert settings.tls.verify


@pytest.mark.parametrize("missing", ["name", "url", "vasp_id", "inbound_user", "inbound_password"])
def test_what_is_needed_must_be_there(missing: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=missing):
        msgspec.convert({key: value for key, value in GOOD.items() if key != missing}, Mm7Settings)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "mmsc.example.net"),
        ("url", "ftp://mmsc.example.net/"),
        ("url", "http://"),
        ("url", "http://user:password@mmsc.example.net/"),
        ("url", "http://mmsc.example.net:99999/"),
        ("inbound_password", ""),
        ("inbound_user", ""),
        ("inbound_user", "a:b"),
        ("user", "a:b"),
        ("password", "a\r\nb"),
        ("vasp_id", "a\0b"),
        ("name", ""),
        ("name", "a/b"),
        ("window", 0),
        ("throughput", -1),
        ("timeout", 0),
        ("transfer_encoding", "uuencode"),
        ("refused_max", 1.0),
        ("no_such_key", 1),
    ],
)
def test_what_cannot_work_is_refused(key: str, value: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(GOOD | {key: value}, Mm7Settings)


def test_passwords_are_not_shown() -> None:
    assert "secret-word" not in repr(msgspec.convert(GOOD | {"password": "secret-word"}, Mm7Settings))


def test_a_tls_file_that_is_missing_is_told_of() -> None:
    settings = msgspec.convert(GOOD | {"tls": {"ca_file": "/no/such/file.pem"}}, Mm7Settings)
    with pytest.raises(OSError, match="No such file"):
        settings.ssl_context()
