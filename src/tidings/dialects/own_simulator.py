"""What our own API has the simulated carriers do: a message that a handset sends, as JSON describes it.

Called by the web room `simulator`. Media stand in it as base64.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from tidings import phone
from tidings.carriers.base import Part
from tidings.carriers.simulator.inbound import Segmentation
from tidings.errors import Problem

MAX_TEXT: Final = 1600
"""Characters of a text: as many as can be sent (21617)."""
MAX_MEDIA: Final = 10
MAX_MEDIA_SIZE: Final = 5 * 1024 * 1024
"""Bytes of all media together: as many as can be sent (11751)."""
MAX_BODY: Final = MAX_MEDIA_SIZE * 4 // 3 + 64 * 1024
"""Octets of the JSON: media in base64, and all else."""

_ContentType = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.+-]{1,127}/[A-Za-z0-9_.+-]{1,127}$")]


class Medium(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    content_type: _ContentType
    content: Annotated[bytes, Meta(min_length=1)]
    name: Annotated[str, Meta(max_length=100)] = ""
    """File name."""


class HandsetMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses as they are kept: E.164, short codes."""

    source: str = msgspec.field(name="from")
    destination: str = msgspec.field(name="to")
    body: Annotated[str, Meta(max_length=MAX_TEXT)] = ""
    media: Annotated[tuple[Medium, ...], Meta(max_length=MAX_MEDIA)] = ()
    segments: Segmentation | None = None
    """How a text comes in; None: as a handset would send it."""

    @property
    def parts(self) -> list[Part]:
        return [Part(medium.content_type, medium.content, medium.name) for medium in self.media]


def parse_handset_message(members: dict[str, Any]) -> HandsetMessage:
    """Raises Problem: 20422 for a member that is wrong, missing or unknown, 20413 where media are too large."""
    try:
        given = msgspec.convert(members, HandsetMessage)
    except msgspec.ValidationError as error:
        raise Problem(20422, reason=str(error)) from None
    if sum(len(medium.content) for medium in given.media) > MAX_MEDIA_SIZE:
        raise Problem(20413, reason=f"media may have {MAX_MEDIA_SIZE} bytes together")
    if given.media and given.segments:
        raise Problem(20422, name="segments", reason="a message with media has none")
    source = _address(given.source)
    if phone.sender_kind(source) is None:
        raise Problem(20422, name="from", value=source, reason="not a number, short code or sender name")
    return msgspec.structs.replace(given, source=source, destination=_address(given.destination))


def _address(spelled: str) -> str:
    return phone.e164(spelled) or spelled
