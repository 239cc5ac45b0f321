"""Whom an inbound message is from, as carriers spell it and as it is kept."""

from typing import TYPE_CHECKING

import pytest

from tests.gateway.application import SENDER
from tests.gateway.handset import received
from tidings.carriers.smpp.pdu import ShortMessage
from tidings.carriers.smpp.segment import TON_INTERNATIONAL

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench


@pytest.mark.parametrize(
    ("ton", "spelled", "kept"),
    [
        (TON_INTERNATIONAL, "15551230000", "+15551230000"),
        (0, "15551230000", "+15551230000"),
        (0, "+15551230000", "+15551230000"),
        (TON_INTERNATIONAL, "6834002", "+6834002"),  # Niue has numbers of four digits
        (0, "6834002", "6834002"),  # and this is a short code
        (3, "54321", "54321"),
        (5, "BANK", "BANK"),
    ],
)
async def test_a_short_code_is_no_number_without_its_plus(
    bench: "Bench", ton: int, spelled: str, kept: str
) -> None:
    centre, site = await bench.pair()
    said = ShortMessage(
        source_addr_ton=ton, source_addr=spelled, destination_addr=SENDER[1:], short_message=b"hello"
    )
    await centre.deliver(said)
    ((message, _),) = await received(site)
    assert message.sender == kept
