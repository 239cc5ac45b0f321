"""Numbers and applications in the Compatibility API's words: parameters change them, and JSON shows them.

Called by the web room of the same name. What they have in common with Twilio's is in `numbers`, with the rules of
what answers a number.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from tidings import phone
from tidings.arranged import Application, Sender
from tidings.dialects import numbers
from tidings.dialects.numbers import (
    ApplicationWords,
    Ignored,
    Listing,
    NumberWords,
    Terms,
    application,
    changed_application,
    changed_sender,
    friendly_name,
    matches,
    parse_list,
    requests,
    spoken_of,
    told,
)
from tidings.dialects.signalwire_compat import NAME, Params, account_uri
from tidings.dialects.signalwire_compat_lists import envelope, parse_place
from tidings.dialects.twilio_v1 import N, cut
from tidings.errors import Problem
from tidings.ids import dashed, from_project
from tidings.phone import SenderKind

_NUMBER_FILTERS: Final = ("PhoneNumber", "FriendlyName")
_APPLICATION_FILTERS: Final = ("FriendlyName",)
_UNKNOWN_COUNTRY: Final = "ZZ"
"""ISO 3166's code for what has none; the vendor knows no null here."""

_REQUESTS: Final = requests(bad_method=13221)
_NUMBER: Final = Terms(
    dialect=NAME,
    readers={**_REQUESTS, "SmsApplicationSid": ("application", application(from_project))},
    max_name=255,
)
_APPLICATION: Final = Terms(
    dialect=NAME,
    # The first is what Twilio's libraries write.
    readers={**_REQUESTS, **told("MessageStatusCallback", "SmsStatusCallback")},
    min_name=1,
    max_name=64,
    # What is posted is what callbacks are.
    asks_nothing=frozenset({("SmsStatusCallbackMethod", "POST")}),
)


# --- what comes in
def parse_new(params: Params) -> tuple[str]:
    """The number that a create asks for, in E.164. Raises Problem: 21421 none is named, 21401 it is no number."""
    value = dict(params).get("PhoneNumber", "")
    if not value:
        raise Problem(21421)
    number = phone.e164(value)
    if number is None:
        raise Problem(21401, value=value)
    return (number,)


def made_application(bare: Application, params: Params, now: int) -> tuple[Application, Ignored]:
    """A new application. Raises Problem as `changed_application`, 20422 also where it has no name."""
    return changed_application(_APPLICATION, bare, [("FriendlyName", ""), *params], now)


# --- what goes out
def numbers_json(account: str, listing: Listing, senders: Sequence[Sender], media: bool) -> dict[str, Any]:
    """A page of the account's numbers."""
    asked = dict(listing.filters)

    def wanted(sender: Sender) -> bool:
        return matches(asked.get("PhoneNumber", ""), sender.address) and (
            asked.get("FriendlyName") in (None, friendly_name(sender))
        )

    shown, around = _page(f"{account_uri(account)}/IncomingPhoneNumbers", listing, senders, wanted)
    return around | {"incoming_phone_numbers": [number_json(sender, media) for sender in shown]}


def applications_json(account: str, listing: Listing, applications: Sequence[Application]) -> dict[str, Any]:
    """A page of the account's applications."""
    name = dict(listing.filters).get("FriendlyName")
    path = f"{account_uri(account)}/Applications"
    shown, around = _page(path, listing, applications, lambda application: name in (None, application.name))
    return around | {"applications": [application_json(application) for application in shown]}


def _page(
    path: str, listing: Listing, found: Sequence[N], wanted: Callable[[N], bool]
) -> tuple[list[N], dict[str, Any]]:
    shown, last = cut(filter(wanted, found), listing.place)
    return shown, envelope(path, listing.place, listing.filters, last)


def number_json(sender: Sender, media: bool) -> dict[str, Any]:
    """The IncomingPhoneNumber resource; `media`: whether media messages can be sent from here."""
    handling = spoken_of(_NUMBER, sender.handling)
    account = dashed(sender.account)
    return numbers.number_json(sender, handling, media) | {
        "account_id": account,
        "account_sid": account,
        "country_code": phone.country(sender.address) or _UNKNOWN_COUNTRY,
        "origin": "signalwire" if sender.claimed else "hosted",
        "sid": dashed(sender.id),
        "sms_application_sid": handling.application and dashed(handling.application),
        "uri": f"{account_uri(sender.account)}/IncomingPhoneNumbers/{dashed(sender.id)}.json",
    }


def application_json(application: Application) -> dict[str, Any]:
    """The Application resource."""
    return numbers.application_json(application) | {
        "account_sid": dashed(application.account),
        "sid": dashed(application.id),
        "sms_status_callback_method": "POST",
        "uri": f"{account_uri(application.account)}/Applications/{dashed(application.id)}.json",
    }


# --- for the web room
NUMBERS: Final = NumberWords(
    kind=SenderKind.NUMBER,
    id_of=from_project,
    parse_list=partial(parse_list, _NUMBER_FILTERS, parse_place),
    changed=partial(changed_sender, _NUMBER),
    json=number_json,
    page_json=numbers_json,
)
APPLICATIONS: Final = ApplicationWords(
    id_of=from_project,
    parse_list=partial(parse_list, _APPLICATION_FILTERS, parse_place),
    made=made_application,
    changed=partial(changed_application, _APPLICATION),
    json=application_json,
    page_json=applications_json,
)
