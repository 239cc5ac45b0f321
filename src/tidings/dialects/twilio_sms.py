"""Twilio's deprecated SMS/Messages in its words: short texts, of which nothing is heard once they are sent.

Pure translation, called by the web room. What it shares with /Messages is `twilio`'s: it is the same message.
Source: Twilio, "SMS Messages [Deprecated]"; "Your messages will stay in sent status forever if you are sending
messages using the deprecated /SMS/Message REST API Resource" (support article on message statuses).
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tidings import text
from tidings.dialects import twilio, twilio_orders
from tidings.dialects.listing import Listing
from tidings.dialects.twilio import API_VERSION, Params
from tidings.dialects.twilio_lists import envelope
from tidings.errors import Problem
from tidings.ids import sid
from tidings.model import Channel, Message, Order, Standing

NOUN: Final = "SMSMessage"
MAX_BODY: Final = 160
"""UTF-16 units (21605)."""

_HEEDED: Final = frozenset({"To", "From", "Body", "StatusCallback", "ApplicationSid"})
_SHOWN: Final = (
    *("account_sid", "api_version", "body", "date_created", "date_sent", "date_updated", "direction", "from"),
    *("price", "price_unit", "sid", "status", "to"),
)
"""What the resource has in common with a Message."""


def parse_create(params: Params) -> tuple[Order, str | None, tuple[str, ...]]:
    """As Twilio's other create; also raises Problem 21605, and 21212 for a service in the place of a sender."""
    order, application, ignored = twilio_orders.parse_create([pair for pair in params if pair[0] in _HEEDED])
    if order.service is not None:
        raise Problem(21212, value=sid("MG", order.service))
    if text.length(order.body) > MAX_BODY:
        raise Problem(21605)
    unheeded = tuple(name for name, value in dict(params).items() if value and name not in _HEEDED)
    return msgspec.structs.replace(order, extras={"receipts": False}), application, ignored + unheeded


def message_json(message: Message, standing: Standing) -> dict[str, Any]:
    """The SMSMessage resource."""
    shown = twilio.message_json(message, standing)
    return {**{name: shown[name] for name in _SHOWN}, "uri": f"{_list_path(message.account)}/{shown['sid']}.json"}


def page_json(account: str, listing: Listing, found: Sequence[tuple[Message, Standing]]) -> dict[str, Any]:
    """A page of the account's texts. `found` has one more than `page_size` when another page follows.

    Media messages, which the resource never knew, are left out: a page that had any is shorter.
    """
    of_page = found[: listing.place.page_size]
    last = of_page[-1][0].id if len(found) > len(of_page) else None
    records = [message_json(*one) for one in of_page if one[0].channel is Channel.SMS]
    path = f"{_list_path(account)}.json"
    return {"sms_messages": records, **envelope(path, "SM", listing.place, listing.filters, len(records), last)}


def _list_path(account: str) -> str:
    return f"/{API_VERSION}/Accounts/{sid('AC', account)}/SMS/Messages"
