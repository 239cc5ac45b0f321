"""What SignalWire's REST API says of a request it refuses: words for what is wrong, each with its attribute.

`signalwire_rest` and `signalwire_rest_logs` raise `Invalid` for all that a request alone can tell; whatever else
is raised on the way is a `Problem` with Twilio's number, and a table here says which words that is. The web room
writes both with `errors_json`. Words are those of SignalWire's list of REST error codes, the sentences are ours.
"""

from typing import Any, Final

import msgspec

from tidings.dialects.signalwire import MAX_MEDIA
from tidings.errors import Problem

BASE: Final = "base"
"""The attribute of what is wrong with the request, or with the message, as a whole."""
MAX_VARIABLES: Final = 20
"""Pairs of `custom_variables`."""
MAX_VARIABLE: Final = 1024
"""Octets of the value of one, in UTF-8."""
RESERVED: Final = ("signalwire_", "sw_", "rtc_", "internal_")
"""What no name of one may begin with, in whatever case."""

EXPLAINED: Final = "https://developer.signalwire.com/rest/overview/error-codes/"
"""Of the addresses that SignalWire's descriptions give for its error codes, the one that leads to each."""
FIRST_OF_MESSAGES: Final = 21000
"""Numbers below are of requests as such (`errors.CATALOGUE`), from here on of what a message is asked for."""

_SHOWN: Final = 200
"""Characters of a value that a message repeats."""


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request."""

    attribute: str
    word: str
    about: str = ""
    """The value, or the part of it, that is meant."""


class Invalid(Problem):
    """A request with attributes that cannot be taken: all that are found, not only the first."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(20422, name=", ".join(fault.attribute for fault in faults))
        self.faults = faults


SENTENCES: Final[dict[str, str]] = {
    "already_assigned": "is a number that is in this group already",
    "body_must_be_empty": "must be an empty string: a message's text can only be taken away",
    "body_or_media_required": "is empty: a message needs a text or media",
    "character_limit_exceeded": "is too long",
    "could_not_purchase": "is not to be had",
    "custom_variable_value_too_long": f"has a value of more than {MAX_VARIABLE} bytes",
    "datetime_required": "must be a date, or a date and time, in ISO 8601",
    "does_not_exist": "names nothing of this project",
    "feature_not_available": "asks for WhatsApp, which is not available here",
    "invalid_custom_variable_name": "has a name other than of letters, digits and underscores, no digit first",
    "invalid_custom_variable_value": "has a value that is empty, or not a string",
    "invalid_from_number": "is not a number or short code that this project can send from",
    "invalid_http_method": "must be GET or POST",
    "invalid_media_url": "has something that is not an http or https URL",
    "invalid_message_body": "must be a string",
    "invalid_parameter": "is not valid",
    "invalid_to_number": "is not a phone number that a message can go to",
    "max_queued_messages_exceeded": "is a number for which too many messages are waiting already",
    "media_limit_exceeded": f"can have {MAX_MEDIA} URLs at most",
    "message_blocked_by_number": "has opted out of messages from this number",
    "message_length_exceeds_limit": "is longer than 1600 characters (an emoji counts as two or more)",
    "missing_messaging_capability": "cannot send media messages to this recipient: no carrier here takes them",
    "missing_required_parameter": "is missing",
    "must_be_object": "must be an object of names and strings",
    "not_a_boolean": "must be true or false",
    "not_a_string": "must be a string",
    "not_an_array_of_strings": "must be a list of URLs",
    "not_an_http_url": "is not an http or https URL that can be called",
    "not_e164": "is not a phone number in E.164: + and 5 to 17 digits",
    "not_json_or_yaml": "is no SWML: an object in JSON or YAML",
    "page_token_is_invalid": "is not one that this list gave out",
    "page_token_required": "is missing: pages after the first one are found by it alone",
    "reserved_custom_variable_name": f"has a name with a reserved beginning ({', '.join(RESERVED)})",
    "resource_not_deletable": "is the operator's, and cannot be given up here",
    "too_many_custom_variables": f"can have {MAX_VARIABLES} pairs at most",
    "unrouteable_message": "is a number that this project has no way to",
    "unsupported_option": "must be 'messaging': calls are not handled here",
}
"""Words, and what they say of their attribute. `datetime_required` is in the vendor's API description only, all
others in its list."""

WORDS: Final[dict[int, tuple[str, str]]] = {
    20009: (BASE, "cannot_redact_in_progress_message"),
    21211: ("to", "invalid_to_number"),
    21212: ("from", "invalid_from_number"),
    21408: ("to", "unrouteable_message"),
    21602: ("body", "body_or_media_required"),
    21606: ("from", "invalid_from_number"),
    21610: ("to", "message_blocked_by_number"),
    21611: ("from", "max_queued_messages_exceeded"),
    21612: ("to", "unrouteable_message"),
    21614: ("to", "invalid_to_number"),
    21617: ("body", "message_length_exceeds_limit"),
    21621: ("from", "missing_messaging_capability"),
}
"""Twilio's number of what was found out later than by reading the request → attribute and word."""

_PHRASES: Final[dict[int, str]] = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
"""HTTP status → `error` (RFC 9110 §15): all that is said of a request that cannot be dealt with as such."""


def errors_json(problem: Problem) -> tuple[int, dict[str, Any]]:
    """HTTP status and body: 422 and `errors` for what is wrong with attributes, otherwise `error` alone."""
    if isinstance(problem, Invalid):
        return 422, {"errors": [_fault_json(fault) for fault in problem.faults]}
    if problem.code in WORDS:
        attribute, word = WORDS[problem.code]
        if attribute == BASE:
            return 422, {"errors": [_entry(BASE, word, problem.message)]}
        value = problem.details.get("value", "")
        return 422, {"errors": [_fault_json(Fault(attribute, word, str(value)))]}
    if problem.http in _PHRASES and problem.code < FIRST_OF_MESSAGES:
        return problem.http, {"error": _PHRASES[problem.http]}
    return 422, {"errors": [_entry(BASE, "invalid_parameter", problem.message)]}


def _fault_json(fault: Fault) -> dict[str, str]:
    said = f"'{fault.attribute}' {SENTENCES[fault.word]}"
    about = fault.about if len(fault.about) <= _SHOWN else fault.about[:_SHOWN] + "…"
    return _entry(fault.attribute, fault.word, f"{said}: {about}" if about else said)


def _entry(attribute: str, word: str, message: str) -> dict[str, str]:
    return {
        "type": "validation_error",
        "code": word,
        "message": message,
        "attribute": attribute,
        "url": f"{EXPLAINED}#{word}",
    }
