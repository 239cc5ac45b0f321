"""Errors as SignalWire's Compatibility API has them: its numbers for ours, its HTTP statuses, its body.

Called by `signalwire_compat` for what stands on messages, and by the web room for what requests are refused with.
Ours are Twilio's numbers (`errors`), and most of SignalWire's mean the same; the table holds those that do not.
"""

from typing import Any, Final

from tidings.errors import CATALOGUE, Problem

MORE_INFO: Final = "https://signalwire.com/docs/compatibility-api/reference/errors"
"""Of the addresses that SignalWire gives for its errors, the one in its API description."""

NUMBERS: Final = frozenset(
    {4000, 4001, 10000, 10001, 10003, 10004, 11100, 11200, 11210, 11215, 11217, 11220, 11251, 11300, 11750, 11751}
    | {12100, 12300, 13000, 13215, 13221, 13222, 13223, 13238, 13243, 13254, 13420, 13621, 13699, 13750, 13801}
    | {14204, 16002, 20001, 20002, 20003, 20009, 20010, 20404, 20422, 20429, 20504, 21201, 21205, 21208, 21209}
    | {21210, 21211, 21212, 21213, 21217, 21218, 21219, 21220, 21234, 21262, 21401, 21402, 21408, 21420, 21421}
    | {21451, 21455, 21456, 21475, 21481, 21601, 21602, 21603, 21604, 21606, 21610, 21611, 21612, 21614, 21617}
    | {21620, 21623, 21624, 21626, 21628, 21701, 21703, 21705, 21717, 22109, 22121, 30001, 30002, 30003, 30004}
    | {30005, 30006, 30007, 30008, 30009, 30010, 30011, 30012, 30022, 30027, 31003, 31922, 32009, 32110, 35125}
    | {50509, 53404, 53603, 54453, 54454, 63011, 63019, 90000}
)
"""All that SignalWire lists (docs, "Compatibility API error codes", 2026-08)."""

_NUMBERS: Final[dict[int, int]] = {
    # --- the request as such
    20001: 10000,  # theirs: an unknown error
    20004: 10001,
    20005: 20003,
    20006: 20003,
    20007: 54454,
    20008: 20003,
    20409: 10000,
    20413: 10000,
    20422: 90000,  # theirs: a bad cXML document
    20500: 20504,
    20503: 20504,
    # --- what a message is asked for
    21408: 30006,  # theirs: a callback is missing
    21603: 21705,
    21606: 21210,  # theirs: `To` is no mobile number
    21609: 21456,
    21612: 30006,  # theirs: a media type that is not supported
    21619: 21602,
    21621: 21601,
    21627: 90000,
    21655: 90000,
    21704: 21703,
    21705: 21701,  # theirs: neither `From` nor a number group
    21711: 21703,
    # --- what became of a message
    30001: 21611,  # theirs: the validity ended while it waited, which is Twilio's 30036
    30009: 30008,  # theirs: the validity ended at the carrier
    30011: 30012,  # theirs: the media message expired or was rejected
    30012: 30008,  # theirs: media messages are not possible
    30017: 63011,
    30018: 21717,
    30019: 11751,
    30021: 20504,
    30023: 30027,
    30024: 21717,
    30025: 30027,
    30026: 30027,
    30032: 21717,
    30033: 21717,
    30034: 21717,
    30035: 21717,
    30036: 30001,
    30037: 20010,
    30038: 30007,
    30039: 30007,
    30040: 21717,
    30041: 21717,
}

_STATUSES: Final[dict[int, int]] = {20001: 400, 20006: 401, 20008: 401, 20009: 422, 21701: 422}
"""Where the HTTP status is another than Twilio's, beside 400: what is wrong with a parameter is 422 here."""

_WORDS: Final[dict[int, str]] = {
    21602: "'Body' is empty: a message needs a text or media",
    21603: "'From' and 'MessagingServiceSid' are missing: say whom the message is from",
    21623: "A message can have 8 media at most",
    21624: "'ValidityPeriod' must be a whole number of seconds from 1 to 172800",
    21701: "'MessagingServiceSid' names a number group that does not exist",
    21703: "The number group has no number that could send this",
    21705: "'MessagingServiceSid' is not the id of a number group, a UUID",
}
"""Where the catalogue's words speak of Twilio's rules."""


def number(code: int) -> int:
    """SignalWire's number for one of ours: where it has none, an unknown error or an invalid parameter."""
    if code in _NUMBERS:
        return _NUMBERS[code]
    if code in NUMBERS:
        return code
    return 30008 if code >= 30000 else 90000


def status(problem: Problem) -> int:
    """The HTTP status it is answered with."""
    return _STATUSES.get(problem.code, 422 if problem.http == 400 else problem.http)


def error_json(problem: Problem) -> dict[str, Any]:
    """The flat body that every endpoint refuses with."""
    generic = CATALOGUE[problem.code].message
    said = _WORDS.get(problem.code, generic)
    return {
        "code": number(problem.code),
        "message": said + problem.message.removeprefix(generic),
        "more_info": MORE_INFO,
        "status": status(problem),
    }
