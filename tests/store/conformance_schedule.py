"""The conformance suite's eighth part: messages that are sent later, and such as cannot wait for ever."""

import asyncio

import msgspec

from tests.store.rows import ACCOUNT, NOON, OTHER, a_change, a_message, an_id, put, scheduled, standing_of
from tidings.clock import DAY, HOUR, SECOND
from tidings.lifecycle import Status
from tidings.store.base import MessageFilter, Store


class ScheduleConformance:
    # --- what cannot wait for ever
    async def test_expired_are_those_whose_own_validity_ended_while_they_waited(self, store: Store) -> None:
        late = a_message(NOON, validity=30)
        early = a_message(NOON + 5 * SECOND, validity=10)
        later = a_message(NOON, validity=60)
        # The validity of what was sent later runs from when it was to be sent.
        sent_later = a_message(NOON - DAY, send_at=NOON, validity=20)
        await put(store, late, early, sent_later, a_message(NOON - DAY))
        await put(store, later, status=Status.SENDING)  # handed back
        for status in (Status.SENT, Status.ACCEPTED):
            await put(store, a_message(NOON - DAY, validity=1), status=status)
        await put(store, a_message(NOON - DAY, validity=1), due_at=None)
        await store.commit(scheduled(a_message(NOON - DAY, send_at=NOON - HOUR, validity=1)))

        assert await store.expired(NOON + 15 * SECOND - 1, 10) == []
        expected = [early.id, sent_later.id, late.id]
        assert await store.expired(NOON + 30 * SECOND, 10) == expected
        assert await store.expired(NOON + 30 * SECOND, 2) == expected[:2]
        assert await store.next_expiry(0) == NOON + 15 * SECOND
        assert await store.next_expiry(NOON + 15 * SECOND) == NOON + 20 * SECOND
        assert await store.next_expiry(NOON + 30 * SECOND) == NOON + 60 * SECOND
        assert await store.next_expiry(NOON + 60 * SECOND) is None

        failed = standing_of(early, status=Status.FAILED, due_at=None, carrier=None)
        await store.commit(a_change(standings=[failed]))
        assert await store.expired(NOON + DAY, 10) == [sent_later.id, late.id, later.id]

    # --- what is sent later
    async def test_scheduled_messages_come_due_by_their_time_whoever_sends_them(self, store: Store) -> None:
        times = [NOON + 3, NOON + 1, NOON + 2, NOON + 10]
        messages = [
            a_message(account=account, sender="", send_at=at)
            for account, at in zip((ACCOUNT, OTHER, ACCOUNT, ACCOUNT), times, strict=True)
        ]
        for message in messages:
            await store.commit(scheduled(message))
        await put(store, a_message())
        found = [tuple(row) for row in await store.due_scheduled(NOON + 3, 10)]
        assert found == [(messages[1].id, NOON + 1), (messages[2].id, NOON + 2), (messages[0].id, NOON + 3)]
        assert [row[0] for row in await store.due_scheduled(NOON + 3, 1)] == [messages[1].id]
        assert await store.next_scheduled(0) == NOON + 1
        assert await store.next_scheduled(NOON + 3) == NOON + 10
        assert await store.next_scheduled(NOON + 10) is None
        assert await store.scheduled() == {ACCOUNT: 3, OTHER: 1}

        canceled = standing_of(messages[2], status=Status.CANCELED, carrier=None, due_at=None)
        await store.commit(a_change(standings=[canceled]))
        assert await store.scheduled() == {ACCOUNT: 2, OTHER: 1}
        assert await store.message(ACCOUNT, messages[2].id) == (messages[2], canceled)

    async def test_nothing_is_scheduled_in_a_new_store(self, store: Store) -> None:
        assert await store.scheduled() == {}
        assert await store.due_scheduled(NOON, 10) == []
        assert await store.next_scheduled(0) is None
        assert await store.expired(NOON, 10) == []
        assert await store.next_expiry(0) is None

    async def test_a_scheduled_message_waits_in_the_queue_of_its_sender_once_that_is_chosen(
        self, store: Store
    ) -> None:
        message, other = (a_message(sender="", service=an_id(), send_at=NOON + HOUR) for _ in range(2))
        for one in (message, other):
            await store.commit(scheduled(one))
        queued = standing_of(message, events=2, due_at=NOON + HOUR)
        await store.commit(a_change(chosen=[(message.id, "+1500")], standings=[queued]))
        expected = msgspec.structs.replace(message, sender="+1500"), queued
        assert await store.message(ACCOUNT, message.id) == expected
        assert (await store.kept([message.id]))[message.id].message == expected[0]
        assert await store.messages(ACCOUNT, MessageFilter(sender="+1500"), 10) == [expected]
        assert [found.id for found, _ in await store.messages(ACCOUNT, MessageFilter(sender=""), 10)] == [other.id]
        assert [tuple(queue) for queue in await store.queues()] == [("main", ACCOUNT, "+1500")]
        assert [tuple(row) for row in await store.due_messages("main", ACCOUNT, "+1500", NOON + HOUR, 10)] == [
            (message.id, NOON + HOUR)
        ]
        assert await store.waiting_segments() == {(ACCOUNT, "+1500"): 1}
        assert [row[0] for row in await store.due_scheduled(NOON + DAY, 10)] == [other.id]

    async def test_the_sender_of_a_new_message_can_be_chosen_in_its_change_or_batch(self, store: Store) -> None:
        old, one, two, plain = (a_message(sender="", send_at=NOON) for _ in range(4))
        await store.commit(scheduled(old))
        usual = a_message()
        at_once = scheduled(one)
        at_once.chosen.append((one.id, "+1501"))
        at_once.standings.append(standing_of(one))
        await asyncio.gather(
            store.commit(scheduled(two)),
            store.commit(at_once),
            store.commit(a_change(chosen=[(two.id, "+1502")], standings=[standing_of(two)])),
            store.commit(a_change(chosen=[(old.id, "+1503")], standings=[standing_of(old)])),
            store.commit(scheduled(plain)),
            put(store, usual),
        )
        kept = await store.kept([message.id for message in (old, one, two, plain, usual)])
        for message, sender in ((one, "+1501"), (two, "+1502"), (old, "+1503")):
            assert kept[message.id].message == msgspec.structs.replace(message, sender=sender)
            assert kept[message.id].standing == standing_of(message)
            assert await store.next_due("main", ACCOUNT, sender, 0) == NOON
        assert (kept[plain.id].message, kept[usual.id].message) == (plain, usual)
        assert kept[plain.id].standing.status is Status.SCHEDULED
