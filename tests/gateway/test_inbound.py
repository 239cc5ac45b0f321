"""What handsets send: kept as messages, and heeded where it is STOP or START."""

from typing import TYPE_CHECKING

import pytest

from tidings.carriers.smpp.pdu import ShortMessage
from tidings.errors import Problem
from tidings.lifecycle import Kind, Status
from tidings.model import Direction, Message, Standing
from tidings.store.base import MessageFilter

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Centre, Site

ACCOUNT = "0a" * 16


async def said(centre: "Centre", text: bytes, source: str = "15551230000", to: str = "15005550006") -> None:
    await centre.deliver(ShortMessage(source_addr=source, destination_addr=to, short_message=text))


async def received(site: "Site") -> list[tuple[Message, Standing]]:
    found = await site.store.messages(ACCOUNT, MessageFilter(), 100)
    return [(message, standing) for message, standing in found if message.direction is Direction.INBOUND]


async def test_a_message_is_kept_before_it_is_acknowledged(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await said(centre, b"hello there")
    ((message, standing),) = await received(site)
    assert (message.sender, message.recipient, message.body) == ("+15551230000", "+15005550006", "hello there")
    assert standing.status is Status.RECEIVED
    receiving, received_ = await site.events(message.id)
    assert [(one.kind, one.status, one.moved) for one in (receiving, received_)] == [
        (Kind.CREATED, Status.RECEIVING, True),
        (Kind.RECEIVED, Status.RECEIVED, True),
    ]
    assert b"hello there" in bytes.fromhex(receiving.detail["raw"])


async def test_a_message_that_cannot_be_kept_is_not_acknowledged(bench: "Bench") -> None:
    centre, site = await bench.pair()
    site.store.fail = lambda change: True
    with pytest.raises(AssertionError, match="0x64"):
        await said(centre, b"hello")
    site.store.fail = lambda change: False
    await said(centre, b"hello")
    assert len(await received(site)) == 1


async def test_a_message_for_nobody_is_acknowledged_and_kept_for_nobody(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await said(centre, b"hello", to="15009999999")
    assert await received(site) == []
    assert site.gateway.inbound.counts["nobodys"] == 1


@pytest.mark.parametrize("word", [b"STOP", b"stop", b" Stop\r\n", b"UNSUBSCRIBE", b"cancel", b"END", b"quit"])
async def test_stop_opts_out_and_start_lifts_it(bench: "Bench", word: bytes) -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    await said(centre, word)
    with pytest.raises(Problem) as refused:
        await site.send("+15551230000")
    assert refused.value.code == 21610
    await said(centre, b"Start")
    await site.until(await site.send("+15551230000"), Status.SENT)


async def test_an_opt_out_is_for_one_sender_and_one_recipient_and_outlives_a_restart(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    await said(centre, b"STOP")
    await site.send("+15551230001")
    await site.send("+15551230000", sender="+15005550007")
    image = await bench.crash(site)
    again = await bench.site(bench.smpp(centre), path=image)
    with pytest.raises(Problem) as refused:
        await again.send("+15551230000")
    assert refused.value.code == 21610


@pytest.mark.parametrize("text", [b"please stop", b"STOP it", b"STOPP", b""])
async def test_a_message_that_is_not_the_keyword_opts_nobody_out(bench: "Bench", text: bytes) -> None:
    centre, site = await bench.pair()
    await said(centre, text)
    await site.send("+15551230000")


async def test_letters_and_ends_of_c_strings(bench: "Bench") -> None:
    centre, site = await bench.pair()
    latin = ShortMessage(
        source_addr="BANK", destination_addr="15005550006", data_coding=0x03, short_message=b"hello\0\0"
    )
    await centre.deliver(latin)
    ((message, _),) = await received(site)
    assert (message.sender, message.body) == ("BANK", "hello")
