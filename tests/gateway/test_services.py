"""Messages of a service: taken first, then given their sender, and what happens where there is none for them."""

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.gateway.application import ACCOUNT, RECIPIENT, SECOND_SENDER, SENDER
from tidings.arranged import Member, Sender, Service
from tidings.errors import Problem
from tidings.gateway.rates import QueueSettings
from tidings.ids import new_id
from tidings.lifecycle import Kind, Status
from tidings.model import Account, OptOut, Order
from tidings.store.base import MessageFilter

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

LONDON = "+447700900200"


async def service(site: "Site", *senders: str, **given: Any) -> str:
    """The id of a service whose pool these senders are."""
    now = site.gateway.clock.now()
    made = Service(new_id(now), ACCOUNT, now, now, **given)
    await site.store.put_resource(made)
    for sender in senders:
        await site.store.put_resource(Member(new_id(now), ACCOUNT, now, now, made.id, sender))
    site.gateway.services.forget(ACCOUNT)
    return made.id


async def own(site: "Site", *senders: str) -> None:
    for sender in senders:
        await site.gateway.put_sender(Sender(sender, ACCOUNT))


async def sent(site: "Site", pool: str, to: str = RECIPIENT, **order: Any) -> str:
    usual: dict[str, Any] = {"sender": "", "service": pool, "deferred": True}
    return await site.send(to, **(usual | order))


async def sender_of(site: "Site", message_id: str) -> str:
    found = await site.store.message(ACCOUNT, message_id)
    assert found is not None
    return found[0].sender


async def test_a_message_is_accepted_then_queued_from_the_sender_that_was_chosen(bench: "Bench") -> None:
    centre, site = await bench.pair()
    pool = await service(site, SECOND_SENDER)
    account = await site.store.account(ACCOUNT)
    assert account is not None
    order = Order("twilio", "", RECIPIENT, "hello", bench.app.url, service=pool, deferred=True)
    taken = await site.gateway.submit(account, order)
    assert (taken.message.sender, taken.standing.status, taken.standing.events) == ("", Status.ACCEPTED, 1)
    (await centre.submission()).accept("id1")
    await site.until(taken.message.id, Status.SENT)
    events = await site.events(taken.message.id)
    assert [(event.kind, event.status, event.moved) for event in events[:3]] == [
        (Kind.CREATED, Status.ACCEPTED, True),
        (Kind.QUEUED, Status.QUEUED, True),
        (Kind.INTENT, Status.SENDING, True),
    ]
    assert events[1].detail == {"sender": SECOND_SENDER}
    assert centre.asked[0].body.source_addr == SECOND_SENDER.removeprefix("+")
    await site.until_all_is_told()
    assert bench.app.statuses(taken.message.id) == ["queued", "sent"]


async def test_senders_that_suit_equally_well_take_turns(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER, SECOND_SENDER)
    senders = [await sender_of(site, await sent(site, pool, f"+1555123{n:04}")) for n in range(10)]
    assert sorted(senders) == [SENDER] * 5 + [SECOND_SENDER] * 5


async def test_a_busy_sender_is_avoided(bench: "Bench") -> None:
    bench.queues = QueueSettings(long_code=1)
    _, site = await bench.pair()
    pool = await service(site, SENDER, SECOND_SENDER)
    for _ in range(4):
        await site.send()  # from SENDER, by name
    assert [await sender_of(site, await sent(site, pool)) for _ in range(3)] == [SECOND_SENDER] * 3


async def test_a_sticky_service_keeps_to_the_sender_a_recipient_knows(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER, SECOND_SENDER, sticky=True)
    first = await sender_of(site, await sent(site, pool))
    others = [await sent(site, pool, f"+1555123{n:04}") for n in range(5)]
    assert {await sender_of(site, other) for other in others} == {SENDER, SECOND_SENDER}
    assert [await sender_of(site, await sent(site, pool)) for _ in range(3)] == [first] * 3
    site = await bench.site(bench.smpp(centre), path=await bench.crash(site))
    assert [await sender_of(site, await sent(site, pool)) for _ in range(3)] == [first] * 3


async def test_messages_sent_to_a_recipient_at_once_come_from_one_sender(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER, SECOND_SENDER, sticky=True)
    messages = await asyncio.gather(*(sent(site, pool) for _ in range(4)))
    assert len({await sender_of(site, message) for message in messages}) == 1


async def test_a_recipient_stays_with_a_name_that_is_there_for_several_countries(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    await own(site, "Acme", "Initech")
    pool = await service(site, sticky=True)
    now = site.gateway.clock.now()
    for name, country in (("Acme", "DE"), ("Initech", "DE"), ("Acme", "GB"), ("Initech", "GB")):
        await site.store.put_resource(Member(new_id(now), ACCOUNT, now, now, pool, name, country))
    site.gateway.services.forget(ACCOUNT)
    first = await sender_of(site, await sent(site, pool, LONDON))
    assert await sender_of(site, await sent(site, pool, "+447700900201")) != first
    assert [await sender_of(site, await sent(site, pool, LONDON)) for _ in range(3)] == [first] * 3


async def test_who_left_the_pool_is_forgotten_by_those_who_knew_it(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER, sticky=True)
    assert await sender_of(site, await sent(site, pool)) == SENDER
    (member,) = await site.store.resources(Member, ACCOUNT, pool)
    await site.store.drop_resource(ACCOUNT, member.id)
    await site.store.put_resource(msgspec.structs.replace(member, id=new_id(1), address=SECOND_SENDER))
    await site.store.put_resource(msgspec.structs.replace(member, id=new_id(2)))
    site.gateway.services.forget(ACCOUNT)
    assert await site.store.sticky(pool, RECIPIENT) is None


async def test_a_sender_of_the_recipients_country_goes_first(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    await own(site, "+447700900123")
    pool = await service(site, SENDER, "+447700900123")
    assert await sender_of(site, await sent(site, pool, LONDON)) == "+447700900123"
    assert await sender_of(site, await sent(site, pool)) == SENDER


async def test_a_sender_of_the_pool_hears_from_the_others(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER, SECOND_SENDER)
    assert [await sender_of(site, await sent(site, pool, SENDER)) for _ in range(2)] == [SECOND_SENDER] * 2
    alone = await service(site, SENDER)
    assert (await site.until(await sent(site, alone, SENDER), Status.FAILED)).error == 21703


async def test_a_number_that_is_free_to_call_elsewhere_is_a_number_as_others_there(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    british = "+448000000001"
    await own(site, british)
    pool = await service(site, SENDER, british)
    assert await sender_of(site, await sent(site, pool, LONDON)) == british
    assert [await sender_of(site, await sent(site, pool)) for _ in range(2)] == [SENDER] * 2


@pytest.mark.parametrize(("pool", "error"), [((), 21704), (("ACME",), 21703)])
async def test_a_pool_without_a_sender_for_it_lets_the_message_fail(
    bench: "Bench", pool: tuple[str, ...], error: int
) -> None:
    _, site = await bench.pair()
    await own(site, *pool)
    message = await sent(site, await service(site, *pool))
    standing = await site.until(message, Status.FAILED)
    assert (standing.error, standing.due_at) == (error, None)
    assert await sender_of(site, message) == ""
    await site.until_all_is_told()
    (told,) = bench.app.told
    assert (told.status, told.params["ErrorCode"], told.genuine) == ("failed", str(error), True)
    assert "From" not in told.params


async def test_an_opt_out_is_told_by_the_status(bench: "Bench") -> None:
    _, site = await bench.pair()
    pool = await service(site, SENDER)
    await site.gateway.opt_outs.add([OptOut(ACCOUNT, pool, RECIPIENT, 1, "STOP")])
    standing = await site.until(await sent(site, pool), Status.FAILED)
    assert standing.error == 21610


async def test_full_queues_are_told_by_the_status(bench: "Bench") -> None:
    centre, site = await bench.pair(queue_limit=2, window=1)
    pool = await service(site, SENDER)
    await sent(site, pool)
    await centre.submission()  # which leaves no room for others
    messages = [await sent(site, pool) for _ in range(3)]
    assert (await site.until(messages[2], Status.FAILED)).error == 30001
    assert {(await site.standing(message)).error for message in messages[:2]} == {None}


async def test_a_full_queue_is_passed_over_for_one_with_room(bench: "Bench") -> None:
    centre, site = await bench.pair(queue_limit=2, window=1)
    pool = await service(site, SENDER, SECOND_SENDER)
    await sent(site, pool)
    await centre.submission()  # which leaves no room for others
    senders = [await sender_of(site, await sent(site, pool)) for _ in range(5)]
    assert sorted(senders) == ["", SENDER, SENDER, SECOND_SENDER, SECOND_SENDER]


async def test_an_order_that_is_not_deferred_is_refused_at_once(bench: "Bench") -> None:
    _, site = await bench.pair()
    pool = await service(site)
    with pytest.raises(Problem) as refused:
        await site.send(sender="", service=pool)
    assert refused.value.code == 21704
    assert await site.store.messages(ACCOUNT, MessageFilter(), 10) == []


async def test_what_is_wrong_with_the_order_itself_is_said_at_once(bench: "Bench") -> None:
    _, site = await bench.pair()
    pool = await service(site, SECOND_SENDER)
    for order, code in (
        ({"to": "nobody"}, 21211),
        ({"service": new_id(1)}, 21701),
        ({"sender": SENDER}, 21711),
        ({"sender": "+15559999999"}, 21606),
        ({"body": "x" * 1601}, 21617),
    ):
        usual: dict[str, Any] = {"sender": "", "service": pool, "deferred": True}
        with pytest.raises(Problem) as refused:
            await site.send(**(usual | order))
        assert refused.value.code == code, order


async def test_a_named_sender_of_the_pool_takes_the_choice_away(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    pool = await service(site, SENDER, SECOND_SENDER)
    messages = [await sent(site, pool, sender=SENDER) for _ in range(3)]
    assert {await sender_of(site, message) for message in messages} == {SENDER}
    assert [event.status for event in await site.events(messages[0])][:2] == [Status.ACCEPTED, Status.QUEUED]


async def test_what_a_service_says_holds_where_the_order_says_nothing(bench: "Bench") -> None:
    centre, site = await bench.pair()
    centre.answer_all()
    own_url = bench.app.url + "?of=service"
    pool = await service(site, SENDER, status_callback=own_url, smart_encoding=True, validity=77)
    plain = await site.store.message(ACCOUNT, await sent(site, pool, body="\u201chi\u201d", callback_url=None))
    assert plain is not None
    assert (plain[0].callback_url, plain[0].body, plain[0].validity) == (own_url, '"hi"', 77)
    other = await site.store.message(ACCOUNT, await sent(site, pool, validity=5))
    assert other is not None
    assert (other[0].callback_url, other[0].validity) == (bench.app.url, 5)


async def test_the_pool_is_the_accounts_own(bench: "Bench") -> None:
    _, site = await bench.pair()
    other = Account("0b" * 16, "other", "secret", 0)
    await site.store.put_account(other)
    pool = await service(site, SENDER)
    with pytest.raises(Problem) as refused:
        await site.gateway.submit(other, Order("twilio", "", RECIPIENT, "hi", service=pool, deferred=True))
    assert refused.value.code == 21701
