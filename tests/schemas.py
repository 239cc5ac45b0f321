"""JSON schemas of what is told, and the formats in them that jsonschema by itself is silent about.

The tests of every dialect hold answers, callbacks and webhooks against them; those of vendors lie in tests/data.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker

FORMATS: Final = FormatChecker()
"""Without further packages, jsonschema takes any text for a date or a URI."""
_SIGNALWIRE: Final = Path(__file__).parent / "data" / "signalwire"


@FORMATS.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    """RFC 3339 §5.6: a time without a zone is none."""
    return not isinstance(value, str) or ("T" in value and datetime.fromisoformat(value).tzinfo is not None)


@FORMATS.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    """RFC 3986 §3: a scheme, something behind it, and nothing that must be escaped."""
    if not isinstance(value, str):
        return True
    parts, escaped = urlsplit(value), value.isascii() and value.isprintable() and " " not in value
    return bool(escaped and parts.scheme and (parts.netloc or parts.path))


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(schema, format_checker=FORMATS)


def specified(name: str) -> dict[str, Any]:
    """One of SignalWire's schemas: `message-status-callback`."""
    schema: dict[str, Any] = json.loads((_SIGNALWIRE / f"{name}.schema.json").read_bytes())
    return schema


def signalwire(name: str, part: str = "") -> Draft202012Validator:
    """What holds values against one of them, or against what it calls `part`."""
    schema = specified(name)
    return validator({"$ref": f"#/$defs/{part}", "$defs": schema["$defs"]} if part else schema)
