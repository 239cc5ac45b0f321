"""Twilio's other representation: XML, as its API of 2010-04-01 answers where the path does not end in `.json`.

Pure translation of what the API's JSON would have said; called by the web room. Names, their order and the
attributes of lists are those of recorded answers: messages and errors of 2018 to 2021, phone numbers of 2017.
Where there is no record, a resource begins with its SID and ends with its URI.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

_DECLARATION: Final = "<?xml version='1.0' encoding='UTF-8'?>\n"
_UNSPEAKABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document can carry, escaped or not (XML 1.0 §2.2)."""
_LINE_END: Final = {"\r": "&#13;"}
"""As it is, it would be read as a line feed (XML 1.0 §2.11)."""

_FIRST: Final[dict[str, tuple[str, ...]]] = {
    "Message": (
        *("sid", "date_created", "date_updated", "date_sent", "account_sid", "to", "from"),
        *("messaging_service_sid", "body", "status", "num_segments", "num_media", "direction", "api_version"),
        *("price", "price_unit", "error_code", "error_message"),
    ),
    "SMSMessage": (
        *("sid", "date_created", "date_updated", "date_sent", "account_sid", "to", "from", "body", "status"),
        *("direction", "api_version", "price", "price_unit"),
    ),
    "IncomingPhoneNumber": (
        *("sid", "account_sid", "friendly_name", "phone_number", "voice_url", "voice_method"),
        *("voice_fallback_url", "voice_fallback_method", "voice_caller_id_lookup", "date_created"),
        *("date_updated", "sms_url", "sms_method", "sms_fallback_url", "sms_fallback_method"),
        *("address_requirements", "beta", "capabilities", "voice_receive_mode", "status_callback"),
        *("status_callback_method", "api_version", "voice_application_sid", "sms_application_sid", "origin"),
        *("trunk_sid", "emergency_status", "emergency_address_sid"),
    ),
    "RestException": ("code", "detail", "message", "more_info", "status"),
}
"""By element: what comes first in it. What is not named here follows."""
_LAST: Final = ("uri", "subresource_uris")
_TAGS: Final = {"sms": "SMS", "mms": "MMS", "sms_messages": "SMSMessages"}
"""Names that are not simply PascalCase; the first two are capabilities."""


def document(noun: str, shown: Mapping[str, Any]) -> bytes:
    """What `shown` says as JSON: a resource that is called `noun`, or a page of a list of such.

    A character that XML cannot carry (of the control characters all but tab and line ends) becomes U+FFFD.
    """
    content = _page(noun, shown) if "first_page_uri" in shown else _resource(noun, shown)
    return f"{_DECLARATION}<TwilioResponse>{content}</TwilioResponse>".encode()


def _page(noun: str, shown: Mapping[str, Any]) -> str:
    records = next(name for name, value in shown.items() if isinstance(value, list))
    attributes = [
        f" {name.replace('_', '')}={quoteattr(_text(value, uri=name.endswith('uri')))}"
        for name, value in sorted(shown.items())
        if name != records
    ]
    tag = _tag(records)
    return f"<{tag}{''.join(attributes)}>{''.join(_resource(noun, one) for one in shown[records])}</{tag}>"


def _resource(noun: str, shown: Mapping[str, Any]) -> str:
    return f"<{noun}>{''.join(_element(name, shown[name]) for name in _ordered(noun, shown))}</{noun}>"


def _ordered(noun: str, shown: Mapping[str, Any]) -> Iterator[str]:
    first = _FIRST.get(noun, ("sid",))
    yield from (name for name in first if name in shown)
    yield from (name for name in shown if name not in first and name not in _LAST)
    yield from (name for name in _LAST if name in shown)


def _element(name: str, value: Any, *, uri: bool = False) -> str:
    tag = _tag(name)
    if value is None:
        return f"<{tag}/>"
    if isinstance(value, dict):
        uris = name.endswith("_uris")
        return f"<{tag}>{''.join(_element(each, part, uri=uris) for each, part in value.items())}</{tag}>"
    return f"<{tag}>{escape(_text(value, uri=uri or name == 'uri'), _LINE_END)}</{tag}>"


def _tag(name: str) -> str:
    return _TAGS.get(name) or "".join(word.capitalize() for word in name.split("_"))


def _text(value: Any, *, uri: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _UNSPEAKABLE.sub("\ufffd", _without_suffix(value) if uri else str(value))


def _without_suffix(uri: str) -> str:
    """The URI of the same thing in XML."""
    path, mark, query = uri.partition("?")
    return path.removesuffix(".json") + mark + query
