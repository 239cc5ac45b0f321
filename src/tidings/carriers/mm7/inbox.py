"""What an MMSC delivers: messages from handsets, kept first and acknowledged after.

`web.mm7` hands in every POST to a carrier's path and sends back what comes out. Reports of delivery and of reading
are acknowledged and not used: none is asked for, as media messages end at `sent`.
"""

import hmac
import logging
from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from tidings.carriers.base import InboundMedia, Part, Sink
from tidings.carriers.mm7 import wire
from tidings.carriers.mm7.mime import Malformed
from tidings.carriers.mm7.settings import Mm7Settings
from tidings.carriers.mm7.wire import Envelope
from tidings.clock import Clock

log = logging.getLogger(__name__)

Delivered = tuple[int, list[tuple[bytes, bytes]], bytes]
"""(HTTP status, headers, body) of an answer."""

UNSUPPORTED: Final = 4003
INVALID: Final = 4004
UNAVAILABLE: Final = 4006
"""Status codes of TS 23.140 §8.7."""

_NOT_USED: Final = frozenset({"DeliveryReportReq", "ReadReplyReq"})


class Inbox:
    def __init__(self, settings: Mm7Settings, clock: Clock) -> None:
        self.sink: Sink | None = None
        self._settings = settings
        self._clock = clock
        credentials = f"{settings.inbound_user}:{settings.inbound_password}"
        self._expected = b64encode(credentials.encode())

    def admits(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request names our MMSC's credentials; header names in lower case."""
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"basic" and hmac.compare_digest(given.strip(), self._expected)

    async def deliver(self, headers: Mapping[bytes, bytes], body: bytes) -> Delivered:
        """The answer to what an MMSC posted. Success is said once the sink has kept it."""
        if not self.admits(headers):
            challenge = (b"www-authenticate", b'Basic realm="Tidings MM7", charset="UTF-8"')
            return 401, [challenge, (b"content-type", b"text/plain")], b"wrong user or password"
        try:
            request = wire.read(headers.get(b"content-type", b"text/xml").decode("latin-1"), body)
        except Malformed as error:
            return self._refused("", "Client", INVALID, str(error))
        if request.operation in _NOT_USED:
            return self._answered(request, "not used")
        if request.operation != "DeliverReq":
            return self._refused(request.transaction, "Client", UNSUPPORTED, "only deliveries are taken here")
        return await self._keep(request)

    async def _keep(self, request: Envelope) -> Delivered:
        to = wire.recipients(request)
        source = wire.address(request.element.child("Sender"))
        if not to or not source:
            return self._refused(request.transaction, "Client", INVALID, "a DeliverReq without Sender or To")
        words, parts = wire.content(request.leaves)
        try:
            if self.sink is None:
                raise RuntimeError("the carrier has not been started")
            for destination in to:
                await self.sink.inbound_media(
                    InboundMedia(
                        carrier=self._settings.name,
                        received_at=self._clock.now(),
                        source=source,
                        destination=destination,
                        text=words,
                        subject=request.element.said("Subject"),
                        parts=parts,
                        raw=_summary(request, parts),
                        transaction=request.transaction,
                    )
                )
        except Exception:
            log.exception(
                "%s: delivery %r not kept, to be delivered again", self._settings.name, request.transaction
            )
            return self._refused(request.transaction, "Server", UNAVAILABLE, "not kept: deliver it again")
        return self._answered(request, "Success")

    def _answered(self, request: Envelope, words: str) -> Delivered:
        operation = request.operation.removesuffix("Req") + "Rsp"
        return 200, _XML, wire.answer(operation, request.transaction, wire.SUCCESS, words, self._settings.schema)

    def _refused(self, transaction: str, at_fault: str, code: int, words: str) -> Delivered:
        """A SOAP fault, which goes with HTTP 500 whoever is at fault (SOAP 1.1 §6.2)."""
        log.warning("%s: a delivery is refused: %s %s", self._settings.name, code, words)
        said = wire.refusal("VASPErrorRsp", transaction, at_fault, code, words, self._settings.schema)
        return 500, _XML, said


def _summary(request: Envelope, parts: tuple[Part, ...]) -> str:
    said = request.element.said
    ids = [f"{name}={said(name)}" for name in ("LinkedID", "MMSRelayServerID", "TimeStamp") if said(name)]
    sizes = [f"{part.content_type} {len(part.content)} bytes" for part in parts]
    return "; ".join([f"DeliverReq {request.transaction}", *ids, *sizes])


_XML: Final = [(b"content-type", wire.XML.encode())]
