"""Twilio's own descriptions of its APIs, as far as these are served here, and answers held against them.

The descriptions lie in tests/data, where each says where it is from. The tests of Twilio's APIs call `check`.
"""

import json
import re
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import httpx
from jsonschema import Draft202012Validator, FormatChecker

from tidings.errors import CATALOGUE, Met

FORMATS: Final = FormatChecker()
"""jsonschema itself knows dates and URIs only where further packages are installed, and is silent where not."""

_URI: Final = re.compile(r"https?://[^/?#\s]+([/?#]\S*)?|/\S*")
_DATA: Final = Path(__file__).parents[1] / "data"


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    """As the APIs of version 1 write it: in UTC, to the second."""
    return not isinstance(value, str) or f"{datetime.fromisoformat(value):%Y-%m-%dT%H:%M:%SZ}" == value


@FORMATS.checks("date-time-rfc-2822", raises=ValueError)
def _is_rfc_2822(value: object) -> bool:
    return not isinstance(value, str) or format_datetime(parsedate_to_datetime(value)) == value


@FORMATS.checks("uri")
def _is_uri(value: object) -> bool:
    """Those that lead to pages of 2010-04-01 have no host."""
    return not isinstance(value, str) or _URI.fullmatch(value) is not None


@FORMATS.checks("uri-map")
def _is_uri_map(value: object) -> bool:
    return not isinstance(value, dict) or all(isinstance(uri, str) and _is_uri(uri) for uri in value.values())


@FORMATS.checks("currency")
def _is_currency(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch("[A-Z]{3}", value) is not None


def described(*names: str) -> dict[str, Any]:
    """What these files say, as one OpenAPI document: answers have all that they can have, and nothing else."""
    document: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": names[0], "version": "1"}}
    for name in names:
        told = json.loads((_DATA / name).read_bytes())
        for part in ("paths", "components", "$defs"):
            document[part] = document.get(part, {}) | told.get(part, {})
    _make_strict(document["$defs"])
    for path in document["paths"].values():
        for method in path.keys() - {"parameters"}:
            _make_strict(path[method]["responses"])
    return document


def _make_strict(part: Any) -> None:
    if isinstance(part, dict):
        if isinstance(properties := part.get("properties"), dict):
            part |= {"required": list(properties), "additionalProperties": False}
        for value in part.values():
            _make_strict(value)


API: Final = described("twilio_api.json", "twilio_numbers.json")
MESSAGING: Final = described("twilio_messaging.json")
MONITOR: Final = described("twilio_monitor.json")


class Operation(NamedTuple):
    """What can be done with a path, and what is said of the answers."""

    method: str
    template: str
    path: re.Pattern[str]
    told: dict[str, Any]
    document: dict[str, Any]

    @property
    def name(self) -> str:
        """Twilio's; unique but for short codes, which two of its APIs list and fetch."""
        name: str = self.told["operationId"]
        return f"{name} of a service" if "ServiceSid" in self.path.groupindex else name

    def shape(self, status: int) -> Any:
        """The schema of an answer, or None where that has no content."""
        response = self.told["responses"][str(status)]
        return response["content"]["application/json"]["schema"] if response else None


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template)))


def _operations() -> list[Operation]:
    found = [
        Operation(method.upper(), template, _pattern(template), told, document)
        for document in (API, MESSAGING, MONITOR)
        for template, item in document["paths"].items()
        for method, told in item.items()
        if method != "parameters"
    ]
    # `Local.json` is no SID: where a path has fewer places to fill, it is meant.
    return sorted(found, key=lambda operation: operation.path.groups)


OPERATIONS: Final = _operations()


def check(method: str, url: str, status: int, text: str) -> Operation | None:
    """Hold an answer against what Twilio says of it; returns what was done, where it was done."""
    if status >= 400:
        check_refusal(status, json.loads(text))
        return None
    path = urlsplit(url).path
    done = next(one for one in OPERATIONS if one.method == method and one.path.fullmatch(path))
    shape = done.shape(status)
    if shape is None:
        assert text == ""
    else:
        body, schema = json.loads(text), {"$defs": done.document["$defs"], **shape}
        Draft202012Validator(schema, format_checker=FORMATS).validate(body)
        # Clients find what is listed by what `meta` calls it.
        assert "meta" not in body or body.keys() == {"meta", body["meta"]["key"]}
    return done


def body_of(answer: httpx.Response) -> Any:
    """What an answer says, once it has been held against what Twilio says of it."""
    check(answer.request.method, str(answer.url), answer.status_code, answer.text)
    return answer.json()


def check_refusal(status: int, body: dict[str, Any]) -> None:
    """It reads as Twilio's do, and the catalogue knows it, as an answer of this API with this HTTP status."""
    assert body.keys() == {"code", "message", "more_info", "status"} | ({"detail"} if status == 401 else set())
    entry = CATALOGUE[body["code"]]
    assert (body["status"], entry.http) == (status, status)
    assert Met.TWILIO in entry.met
    assert entry.message in body["message"]
    assert body["more_info"] == f"https://www.twilio.com/docs/errors/{entry.code}"
