"""Messages made and listed over HTTP in the dialects that are spoken with parameters, whichever it is.

Called by the rooms of these dialects, with what their dialect read of a request and how it shows what is found.
"""

import logging
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

import msgspec

from tidings.arranged import Application
from tidings.dialects.listing import Listing
from tidings.errors import Problem
from tidings.model import Account, Message, Order, Standing
from tidings.web.gateway import Gateway
from tidings.web.wire import Answer, Header, Request, json_answer

MAX_KEY: Final = 255
"""Characters of an idempotency key."""
_SHOWN: Final = 20
"""Parameters without effect that an answer names."""

log = logging.getLogger(__name__)

Params = Sequence[tuple[str, str]]


async def create(
    gateway: Gateway,
    account: Account,
    request: Request,
    params: Params,
    asked: tuple[Order, str | None, tuple[str, ...]],
    show: Callable[[Message, Standing], dict[str, Any]],
) -> Answer:
    """Submit what `params` ask for: an order, perhaps the id of an application, the names of what has no effect.

    Callbacks go where the order says, or else the application. Raises Problem: 21218 where there is no such
    application, and as `Gateway.submit` does.
    """
    order, application, ignored = asked
    if application is not None:
        found = await gateway.store.resource(Application, account.id, application)
        if found is None:
            raise Problem(21218, value=application)
        order = msgspec.structs.replace(order, callback_url=order.callback_url or found.status_callback)
    if key := _idempotency_key(request):
        digest = sha256(msgspec.json.encode(sorted(params))).hexdigest()
        order = msgspec.structs.replace(order, idempotency_key=key, digest=digest)
    submitted = await gateway.submit(account, order)
    headers = ignored_parameters(ignored, submitted.message.id)
    if submitted.repeated:
        headers.append((b"idempotent-replayed", b"true"))
    return json_answer(201, show(submitted.message, submitted.standing), headers)


async def page(
    gateway: Gateway,
    account: Account,
    listing: Listing,
    show: Callable[[str, Listing, Sequence[tuple[Message, Standing]]], dict[str, Any]],
) -> Answer:
    """One page of the account's messages. `show` gets one more than are shown where another page follows."""
    place = listing.place
    found = await gateway.store.messages(account.id, listing.where, place.page_size + 1, place.after)
    return json_answer(200, show(account.id, listing, found), ignored_parameters(listing.ignored, "a list"))


def _idempotency_key(request: Request) -> str | None:
    """`Idempotency-Key`, or the name by which Twilio's own requests carry one."""
    headers = request.headers
    raw = headers.get(b"idempotency-key") or headers.get(b"i-twilio-idempotency-token")
    if not raw:
        return None
    if len(raw) > MAX_KEY:
        raise Problem(20422, name="Idempotency-Key", reason=f"longer than {MAX_KEY} characters")
    return raw.decode("latin-1")


def ignored_parameters(names: tuple[str, ...], what: str) -> list[Header]:
    """Says which parameters had no effect: vendors would keep silent about them."""
    if not names:
        return []
    # A name is whatever the client wrote: as a header it must be escaped.
    shown = ", ".join(quote(name[:100]) for name in names[:_SHOWN])
    log.info("parameters without effect for %s: %s", what, shown)
    return [(b"tidings-ignored-parameters", shown.encode())]
