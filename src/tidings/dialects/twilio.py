"""Twilio's words for messages: its JSON for the web room, and the forms of its callbacks and webhooks.

Pure translation of what goes out. What comes in is `twilio_orders`' to read; lists of messages are in
`twilio_lists`. Shapes are those of the API 2010-04-01.
"""

import re
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from tidings import phone
from tidings.answering.effects import Inbound
from tidings.clock import SECOND, iso
from tidings.errors import Problem, words
from tidings.ids import sid
from tidings.lifecycle import Kind, Status
from tidings.model import Account, Channel, Event, Medium, Message, Standing

NAME: Final = "twilio"
API_VERSION: Final = "2010-04-01"

Params = Sequence[tuple[str, str]]
"""Decoded form or query parameters, in the order they came; a name may come more than once."""

_TOLD: Final = frozenset(
    {Status.QUEUED, Status.SENT, Status.FAILED, Status.DELIVERED, Status.UNDELIVERED, Status.READ, Status.CANCELED}
)
_UNSUCCESSFUL: Final = frozenset({Status.FAILED, Status.UNDELIVERED})
_RECEIPTED: Final = frozenset({Status.DELIVERED, Status.UNDELIVERED})

_DONE_DATE: Final = re.compile(
    r"(?:20)??(\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d)(?:[0-5]\d)?"
)


_BELOW: Final = {
    "applications": "Applications",
    "incoming_phone_numbers": "IncomingPhoneNumbers",
    "messages": "Messages",
    "short_codes": "SMS/ShortCodes",
}
"""What an account has, and where."""
_CHARGED: Final = frozenset({Status.SENT, Status.DELIVERED, Status.UNDELIVERED, Status.READ})


def _price(message: Message, standing: Standing) -> str | None:
    """What it costs, as a negative amount; null until it has left, and where its route has no price."""
    if message.price is None or standing.status not in _CHARGED:
        return None
    return f"{-message.price / 1_000_000:.5f}"


def account_json(account: Account) -> dict[str, Any]:
    """The Account resource, as far as it has to do with messages. Its auth token is not shown to anybody."""
    own = sid("AC", account.id)
    path = f"/{API_VERSION}/Accounts/{own}"
    made = rfc2822(account.created_at // SECOND)
    return {
        "auth_token": None,
        "date_created": made,
        "date_updated": made,
        "friendly_name": account.name,
        "owner_account_sid": own,
        "sid": own,
        "status": "active" if account.active else "suspended",
        "subresource_uris": {name: f"{path}/{place}.json" for name, place in _BELOW.items()},
        "type": "Full",
        "uri": f"{path}.json",
    }


def message_sid(message: Message) -> str:
    return sid("SM" if message.channel is Channel.SMS else "MM", message.id)


def message_uri(message: Message) -> str:
    """Without `.json`."""
    return f"/{API_VERSION}/Accounts/{sid('AC', message.account)}/Messages/{message_sid(message)}"


def message_json(message: Message, standing: Standing) -> dict[str, Any]:
    """The Message resource."""
    path = message_uri(message)
    error = standing.error
    return {
        "account_sid": sid("AC", message.account),
        "api_version": API_VERSION,
        "body": message.body,
        "date_created": rfc2822(message.created_at // SECOND),
        "date_sent": None if standing.sent_at is None else rfc2822(standing.sent_at // SECOND),
        "date_updated": rfc2822(standing.updated_at // SECOND),
        "direction": message.direction,
        "error_code": error,
        "error_message": None if error is None else words(error),
        "from": message.sender or None,
        "messaging_service_sid": message.service and sid("MG", message.service),
        "num_media": str(message.media),
        "num_segments": str(message.segments) if message.sender else "0",
        "price": _price(message, standing),
        "price_unit": "USD",
        "sid": message_sid(message),
        "status": standing.status,
        "subresource_uris": {"feedback": path + "/Feedback.json", "media": path + "/Media.json"},
        "to": message.recipient,
        "uri": path + ".json",
    }


def medium_json(message: Message, medium: Medium) -> dict[str, Any]:
    """The Media resource. What has not been fetched yet may be anything (RFC 2046 §4.5.1)."""
    own = sid("ME", medium.id)
    return {
        "account_sid": sid("AC", message.account),
        "content_type": medium.content_type or "application/octet-stream",
        "date_created": rfc2822(medium.created_at // SECOND),
        "date_updated": rfc2822(medium.updated_at // SECOND),
        "parent_sid": message_sid(message),
        "sid": own,
        "uri": f"{message_uri(message)}/Media/{own}.json",
    }


def feedback_json(message: Message, outcome: str, created_at: int, updated_at: int) -> dict[str, Any]:
    """The Feedback resource."""
    return {
        "account_sid": sid("AC", message.account),
        "date_created": rfc2822(created_at // SECOND),
        "date_updated": rfc2822(updated_at // SECOND),
        "message_sid": message_sid(message),
        "outcome": outcome,
        "uri": message_uri(message) + "/Feedback.json",
    }


def error_json(problem: Problem) -> dict[str, Any]:
    """Twilio's error body; `detail` is there for 401 only, as its clients know it."""
    body: dict[str, Any] = {
        "code": problem.code,
        "message": problem.message,
        "more_info": f"https://www.twilio.com/docs/errors/{problem.code}",
        "status": problem.http,
    }
    if problem.http == 401:
        body["detail"] = problem.details.get("detail", problem.message)
    return body


def tells(event: Event) -> bool:
    """Whether the application is called back about this event of a message.

    Twilio does not tell of the status a message starts with, nor of `sending`.
    """
    return event.moved and event.status in _TOLD and event.kind is not Kind.CREATED


def callback_params(message: Message, event: Event) -> list[tuple[str, str]]:
    """The form of the status callback that tells of `event`, in the order that Twilio's captured ones have."""
    own = message_sid(message)
    params = [
        ("SmsSid", own),
        ("SmsStatus", event.status),
        ("MessageStatus", event.status),
        ("To", message.recipient),
        ("MessageSid", own),
        ("AccountSid", sid("AC", message.account)),
        *([("From", message.sender)] if message.sender else []),
        ("ApiVersion", API_VERSION),
    ]
    if message.service is not None:
        params.append(("MessagingServiceSid", sid("MG", message.service)))
    if event.error is not None and event.status in _UNSUCCESSFUL:
        params.insert(0, ("ErrorCode", str(event.error)))
    if event.status in _RECEIPTED and (done := _raw_done_date(event.detail.get("done_date"))):
        params.append(("RawDlrDoneDate", done))
    return params


def inbound_params(inbound: Inbound) -> list[tuple[str, str]]:
    """What the webhook of an inbound message is asked with. Of places only countries are known here; the rest is
    empty, as it often is with Twilio."""
    own = sid("SM" if inbound.channel == "sms" else "MM", inbound.message_id)
    params = [
        ("ToCountry", _country(inbound.recipient)),
        ("FromCountry", _country(inbound.sender)),
        *((end + place, "") for end in ("To", "From") for place in ("State", "City", "Zip")),
        ("SmsMessageSid", own),
        ("NumMedia", str(len(inbound.media))),
        ("SmsSid", own),
        ("SmsStatus", Status.RECEIVED),
        ("Body", inbound.body),
        ("To", inbound.recipient),
        ("NumSegments", str(inbound.segments)),
        ("MessageSid", own),
        ("AccountSid", sid("AC", inbound.account)),
        ("From", inbound.sender),
        ("ApiVersion", API_VERSION),
    ]
    if inbound.service is not None:
        params.append(("MessagingServiceSid", sid("MG", inbound.service)))
    if inbound.opt_out is not None:
        params.append(("OptOutType", inbound.opt_out))
    for place, (url, content_type, _) in enumerate(inbound.media):
        params += [(f"MediaUrl{place}", url), (f"MediaContentType{place}", content_type)]
    return params


def _country(address: str) -> str:
    return (phone.country(address) or "") if address.startswith("+") else ""


def extensions(event: Event) -> list[tuple[str, str]]:
    """Parameters of ours, for accounts that ask for them: the event's number within its message, and its time."""
    return [("TidingsSequence", str(event.number)), ("TidingsTimestamp", iso(event.at))]


def _raw_done_date(spelled: object) -> str | None:
    """A carrier's date as YYMMDDhhmm: carriers also write seconds, and years in full."""
    found = _DONE_DATE.fullmatch(spelled) if isinstance(spelled, str) else None
    return found[1] if found else None


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(4096)
def rfc2822(at: int) -> str:
    """Seconds since 1970 as `Thu, 24 Aug 2023 05:01:45 +0000`."""
    t = time.gmtime(at)
    clock = f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"
    return f"{_DAYS[t.tm_wday]}, {t.tm_mday:02} {MONTHS[t.tm_mon - 1]} {t.tm_year} {clock} +0000"
