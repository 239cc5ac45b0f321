"""What taking an order in needs of HTTP, whatever the dialect: its key, its application, what of it had no effect.

Called by the rooms of the dialects that are spoken with parameters.
"""

import logging
from collections.abc import Sequence
from hashlib import sha256
from typing import Final
from urllib.parse import quote

import msgspec

from tidings.arranged import Application
from tidings.errors import Problem
from tidings.gateway.submit import Submitted
from tidings.model import Account, Order
from tidings.web.gateway import Gateway
from tidings.web.wire import Header, Request

MAX_KEY: Final = 255
"""Characters of an idempotency key."""
_SHOWN: Final = 20
"""Parameters without effect that an answer names."""

log = logging.getLogger(__name__)


async def take_in(
    gateway: Gateway,
    account: Account,
    request: Request,
    params: Sequence[tuple[str, str]],
    order: Order,
    application: str | None,
    ignored: tuple[str, ...],
) -> tuple[Submitted, list[Header]]:
    """Submit what `params` ask for. Returns what was made of it, and headers that belong to the answer.

    Callbacks go where the order says, or else the `application`. Raises Problem: 21218 where there is no such
    application, and as `Gateway.submit` does.
    """
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
    return submitted, headers


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
