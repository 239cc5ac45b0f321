"""A handset whose texts are too long for one segment: what a message centre brings of them, piece by piece."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from tests.gateway.application import ACCOUNT, RECIPIENT, SENDER
from tests.gateway.centre import Centre
from tidings.carriers.smpp import udh
from tidings.carriers.smpp.link import Link
from tidings.carriers.smpp.pdu import UDHI, ShortMessage, Tag
from tidings.model import Direction, Message, Standing
from tidings.store.base import MessageFilter
from tidings.text import encode_ucs2

if TYPE_CHECKING:
    from tests.gateway.conftest import Site

By = Literal["udh8", "udh16", "sar"]
UCS2 = 0x08


class Handset:
    """Sends one text, in `pieces` of user data, under one reference; `by` is what ties them together."""

    def __init__(
        self,
        centre: Centre,
        pieces: Sequence[str | bytes],
        *,
        by: By = "udh8",
        reference: int = 0xCC,
        data_coding: int = UCS2,
        source: str = RECIPIENT,
        to: str = SENDER,
    ) -> None:
        self._centre = centre
        self._pieces = [encode_ucs2(piece) if isinstance(piece, str) else piece for piece in pieces]
        self._by = by
        self._reference = reference
        self._data_coding = data_coding
        self._source = source
        self._to = to

    async def brings(self, *numbers: int, link: Link | None = None) -> None:
        """Have the centre deliver these segments, from 1, in this order; each is acknowledged, and so kept."""
        for number in numbers:
            await self._centre.deliver(*self.segment(number), link=link)

    def segment(self, number: int) -> tuple[ShortMessage, dict[int, bytes]]:
        which = udh.Concatenation(self._reference, len(self._pieces), number)
        header = b"" if self._by == "sar" else udh.build(which, 16 if self._by == "udh16" else 8)
        body = ShortMessage(
            source_addr_ton=1,
            source_addr=self._source.lstrip("+"),
            destination_addr=self._to.lstrip("+"),
            esm_class=UDHI if header else 0,
            data_coding=self._data_coding,
            short_message=header + self._pieces[number - 1],
        )
        return body, _sar(which) if self._by == "sar" else {}


def _sar(which: udh.Concatenation) -> dict[int, bytes]:
    """SMPP 3.4 §5.3.2.22 to 24."""
    return {
        Tag.SAR_MSG_REF_NUM: which.reference.to_bytes(2),
        Tag.SAR_TOTAL_SEGMENTS: bytes((which.parts,)),
        Tag.SAR_SEGMENT_SEQNUM: bytes((which.part,)),
    }


async def received(site: "Site") -> list[tuple[Message, Standing]]:
    """All that came in, oldest first."""
    found = await site.store.messages(ACCOUNT, MessageFilter(), 100)
    return [(message, standing) for message, standing in reversed(found) if message.direction is Direction.INBOUND]


async def texts(site: "Site") -> list[str]:
    return [message.body for message, _ in await received(site)]
