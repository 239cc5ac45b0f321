"""What every store must do, whatever it keeps things in: the contract of `store.base`, act by act.

A store's test file inherits `StoreConformance` and brings one fixture, `stores`: a factory of stores that are not
open yet and all lie in the same place, so that a test can close one and look at what the next one finds.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.conformance_arranged import ArrangedConformance
from tests.store.conformance_attempts import AttemptsConformance
from tests.store.conformance_callbacks import CallbacksConformance
from tests.store.conformance_contents import ContentsConformance
from tests.store.conformance_inbound import InboundConformance
from tests.store.conformance_queues import QueuesConformance
from tests.store.conformance_schedule import ScheduleConformance
from tests.store.rows import (
    ACCOUNT,
    HOST,
    NASTY,
    NOON,
    OTHER,
    a_callback,
    a_change,
    a_key,
    a_message,
    a_receipt,
    a_segment,
    an_event,
    an_id,
    created,
    put,
    standing_of,
)
from tidings.clock import DAY, HOUR, SECOND
from tidings.lifecycle import SegmentState, Status
from tidings.model import (
    Account,
    CallbackState,
    Target,
)
from tidings.store.base import Change, KeyTaken, MessageFilter, Store, StoreError
from tidings.text import Encoding

Stores = Callable[[], Store]


async def ids_listed(store: Store, where: MessageFilter | None = None, limit: int = 50, **page: str) -> list[str]:
    found = await store.messages(ACCOUNT, where or MessageFilter(), limit, **page)
    return [message.id for message, _ in found]


def _note(settled: list[int], place: int, _: asyncio.Future[None]) -> None:
    settled.append(place)


class StoreConformance(
    QueuesConformance,
    CallbacksConformance,
    AttemptsConformance,
    ContentsConformance,
    ArrangedConformance,
    InboundConformance,
    ScheduleConformance,
):
    # --- commits
    async def test_everything_in_a_change_is_kept_as_it_was_given(self, store: Store) -> None:
        message = a_message(callback_url="https://app.example.com/hook?a=b", validity=60, encoding=Encoding.UCS2)
        standing = standing_of(
            message, status=Status.UNDELIVERED, error=30003, sent_at=NOON + 1, due_at=None, tries=2, events=2
        )
        segment = a_segment(
            message,
            state=SegmentState.UNDELIVERED,
            carrier_id="00AB",
            carrier_key="ab",
            error=30003,
            submitted_at=1,
            answered_at=2,
            settled_at=3,
        )
        events = [
            an_event(message),
            an_event(message, 2, moved=False, applied=False, part=1, error=30003, detail={"a": [1, None]}),
        ]
        callback = a_callback(message, 2)
        receipt = a_receipt(message.id, part=1)
        await store.commit(
            a_change(
                messages=[message],
                standings=[standing],
                segments=[segment],
                events=events,
                callbacks=[callback],
                receipts=[receipt],
                keys=[a_key(message)],
            )
        )
        assert await store.message(ACCOUNT, message.id) == (message, standing)
        assert await store.segments(message.id) == [segment]
        assert await store.events(message.id) == events
        assert await store.callbacks(message.id) == [callback]
        assert await store.receipts(message.id) == [receipt]
        assert await store.idempotency_key(ACCOUNT, "key") == a_key(message)
        kept = (await store.kept([message.id]))[message.id]
        assert (kept.message, kept.standing, kept.segments) == (message, standing, [segment])

    async def test_an_empty_change_is_kept_like_any_other(self, store: Store) -> None:
        await store.commit(Change())

    async def test_a_taken_key_keeps_nothing_of_its_change_and_all_of_the_others_in_the_batch(
        self, store: Store
    ) -> None:
        first, second, third, late = (a_message() for _ in range(4))
        changes = [created(message) for message in (first, second, third)]
        changes[0].keys.append(a_key(first))
        changes[1].keys.append(a_key(second))
        changes[1].callbacks.append(a_callback(second))
        changes[1].segments.append(a_segment(second))
        changes[1].receipts.append(a_receipt(second.id))
        results = await asyncio.gather(*map(store.commit, changes), return_exceptions=True)
        assert [type(result) for result in results] == [type(None), KeyTaken, type(None)]
        assert set(await store.kept([first.id, second.id, third.id])) == {first.id, third.id}
        assert await store.events(second.id) == []
        assert await store.callbacks(second.id) == []
        assert await store.segments(second.id) == []
        assert await store.receipts(second.id) == []
        known = await store.idempotency_key(ACCOUNT, "key")
        assert known is not None
        assert known.message_id == first.id

        again = created(late)
        again.keys.append(a_key(late))
        with pytest.raises(KeyTaken):
            await store.commit(again)
        assert await store.message(ACCOUNT, late.id) is None

    async def test_one_account_s_key_is_free_for_another(self, store: Store) -> None:
        mine, theirs = a_message(), a_message(account=OTHER)
        for message in (mine, theirs):
            change = created(message)
            change.keys.append(a_key(message))
            await store.commit(change)
        known = await store.idempotency_key(OTHER, "key")
        assert known is not None
        assert known.message_id == theirs.id

    async def test_a_change_that_contradicts_what_is_kept_fails_alone(self, store: Store) -> None:
        kept, good = a_message(), a_message()
        await put(store, kept)
        bad = a_change(events=[an_event(kept, 2), an_event(kept, 1)], callbacks=[a_callback(kept)])
        results = await asyncio.gather(store.commit(created(good)), store.commit(bad), return_exceptions=True)
        assert results[0] is None
        assert isinstance(results[1], StoreError)
        assert not isinstance(results[1], KeyTaken)
        assert await store.message(ACCOUNT, good.id) is not None
        assert [event.number for event in await store.events(kept.id)] == [1]
        assert await store.callbacks(kept.id) == []

    async def test_of_a_large_batch_only_the_changes_fail_that_contradict_what_is_kept(self, store: Store) -> None:
        kept = a_message()
        await put(store, kept)
        changes = [created(a_message()) for _ in range(30)]
        bad = {7, 8, 20}
        for number in bad:
            changes[number].events.append(an_event(kept))
        results = await asyncio.gather(*map(store.commit, changes), return_exceptions=True)
        assert {number for number, result in enumerate(results) if result is not None} == bad
        found = await store.kept([change.messages[0].id for change in changes])
        assert len(found) == len(changes) - len(bad)

    async def test_text_that_is_no_unicode_fails_alone(self, store: Store) -> None:
        bad, good = a_message(body="half a pair: \ud83d"), a_message()
        results = await asyncio.gather(
            store.commit(created(bad)), store.commit(created(good)), return_exceptions=True
        )
        assert isinstance(results[0], StoreError)
        assert results[1] is None
        assert set(await store.kept([bad.id, good.id])) == {good.id}

    async def test_what_is_committed_is_read_at_once(self, store: Store) -> None:
        message = a_message()
        await store.commit(created(message))
        for status in (Status.SENDING, Status.SENT, Status.DELIVERED):
            await store.commit(a_change(standings=[standing_of(message, status=status)]))
            found = await store.message(ACCOUNT, message.id)
            assert found is not None
            assert found[1].status is status
            assert [standing.status for _, standing in await store.messages(ACCOUNT, MessageFilter(), 1)] == [
                status
            ]

    async def test_what_is_committed_is_there_for_whoever_opens_the_store_next(
        self, store: Store, stores: Stores
    ) -> None:
        message = a_message()
        await put(store, message)
        after_a_crash = stores()
        await after_a_crash.open()
        assert await after_a_crash.message(ACCOUNT, message.id) is not None
        await after_a_crash.close()

    async def test_close_finishes_what_was_handed_in(self, stores: Stores) -> None:
        messages = [a_message() for _ in range(50)]
        first = stores()
        await first.open()
        futures = [first.commit(created(message)) for message in messages]
        await first.close()
        assert all(future.done() and future.exception() is None for future in futures)
        second = stores()
        await second.open()
        assert len(await second.kept([message.id for message in messages])) == 50
        await second.close()

    async def test_commits_settle_in_the_order_they_came_and_the_feed_has_that_order(self, store: Store) -> None:
        messages = [a_message() for _ in range(40)]
        settled: list[int] = []
        futures = []
        # The youngest message first: the feed's order is that of the commits, not that of the ids.
        for place, message in enumerate(reversed(messages)):
            future = store.commit(created(message))
            future.add_done_callback(partial(_note, settled, place))
            futures.append(future)
        await asyncio.gather(*futures)
        assert settled == list(range(40))
        feed = await store.feed(ACCOUNT, 0, 100)
        assert [entry.event.message_id for entry in feed] == [message.id for message in reversed(messages)]
        cursors = [entry.cursor for entry in feed]
        assert cursors == sorted(set(cursors))

    async def test_the_feed_goes_on_after_any_cursor_and_shows_one_account_only(self, store: Store) -> None:
        messages = [a_message() for _ in range(5)]
        await put(store, *messages)
        await put(store, a_message(account=OTHER))
        seen, cursor = [], 0
        while page := await store.feed(ACCOUNT, cursor, 2):
            assert len(page) <= 2
            cursor = page[-1].cursor
            seen += [entry.event.message_id for entry in page]
        assert seen == [message.id for message in messages]
        assert await store.feed(ACCOUNT, cursor, 2) == []
        await store.commit(a_change(events=[an_event(messages[0], 2)]))
        assert [entry.event.number for entry in await store.feed(ACCOUNT, cursor, 2)] == [2]

    async def test_the_latest_time_is_that_of_the_event_kept_last(self, store: Store) -> None:
        assert await store.latest() == 0
        message, other = a_message(), a_message(account=OTHER)
        await store.commit(a_change(events=[an_event(message, at=NOON + 5), an_event(message, 2, at=NOON + 9)]))
        assert await store.latest() == NOON + 9
        # Of any account, and whether or not its time is later than those before.
        await store.commit(a_change(events=[an_event(other, at=NOON + 7)]))
        assert await store.latest() == NOON + 7

    async def test_cursors_go_on_after_a_reopening(self, stores: Stores) -> None:
        cursors = []
        for _ in range(2):
            store = stores()
            await store.open()
            await put(store, a_message())
            cursors.append((await store.feed(ACCOUNT, 0, 10))[-1].cursor)
            await store.close()
        assert cursors[0] < cursors[1]

    async def test_the_last_word_on_a_row_wins_within_a_change_and_within_a_batch(self, store: Store) -> None:
        message = a_message()
        await put(store, message)
        first = a_change(
            standings=[
                standing_of(message, status=Status.SENDING),
                standing_of(message, status=Status.SENT, events=3),
            ],
            segments=[a_segment(message, state=SegmentState.SUBMITTING), a_segment(message)],
            callbacks=[a_callback(message)],
        )
        second = a_change(
            standings=[standing_of(message, status=Status.DELIVERED, events=4, due_at=None)],
            segments=[a_segment(message, state=SegmentState.DELIVERED, carrier_id="x", carrier_key="x")],
            outcomes=[
                a_callback(message, state=CallbackState.RETRYING, attempts=1),
                a_callback(message, state=CallbackState.DONE, attempts=2, response=204, done_at=NOON),
            ],
        )
        await asyncio.gather(store.commit(first), store.commit(second))
        found = (await store.kept([message.id]))[message.id]
        assert found.standing == second.standings[-1]
        assert found.segments == second.segments
        assert await store.callbacks(message.id) == [second.outcomes[-1]]

    async def test_two_thousand_changes_at_once(self, store: Store) -> None:
        messages = [a_message() for _ in range(2000)]
        changes = [created(message) for message in messages]
        for change, message in zip(changes, messages, strict=True):
            change.segments.append(a_segment(message))
            change.callbacks.append(a_callback(message))
        await asyncio.gather(*map(store.commit, changes))
        assert set(await store.kept([message.id for message in messages])) == {message.id for message in messages}
        assert len(await store.feed(ACCOUNT, 0, 3000)) == 2000
        assert len(await store.due_messages("main", ACCOUNT, "+15005550006", NOON, 3000)) == 2000
        assert await store.owing() == [(HOST, ACCOUNT, Target.MESSAGE, 2000)]

    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=5))
    async def test_text_comes_back_as_it_went_in(self, store: Store, bodies: list[str]) -> None:
        messages = [a_message(body=body, sender=body[:11]) for body in [*bodies, NASTY]]
        changes = [created(message) for message in messages]
        for change, message in zip(changes, messages, strict=True):
            change.events.append(an_event(message, 2, detail={message.body: [message.body]}))
            change.segments.append(a_segment(message, carrier_id=message.body, carrier_key=message.body))
        await asyncio.gather(*map(store.commit, changes))
        for message in messages:
            found = await store.message(ACCOUNT, message.id)
            assert found is not None
            assert found[0] == message
            assert (await store.events(message.id))[1].detail == {message.body: [message.body]}
            hits = await store.find_segments("main", [message.body])
            assert (message.body, message.id, 1) in [tuple(hit) for hit in hits]

    async def test_a_closed_store_raises_store_error(self, stores: Stores) -> None:
        store = stores()
        await store.open()
        await put(store, a_message())
        await store.close()
        with pytest.raises(StoreError):
            await store.commit(Change())
        with pytest.raises(StoreError):
            await store.message(ACCOUNT, "0" * 32)
        with pytest.raises(StoreError):
            await store.messages(ACCOUNT, MessageFilter(), 1)
        with pytest.raises(StoreError):
            await store.put_account(Account(ACCOUNT, "", "token", NOON))

    # --- messages
    async def test_a_message_is_found_by_its_own_account_only(self, store: Store) -> None:
        message = a_message()
        await put(store, message)
        assert await store.message(ACCOUNT, message.id) is not None
        assert await store.message(OTHER, message.id) is None
        assert await store.message(ACCOUNT, an_id()) is None

    async def test_lists_are_newest_first_and_page_without_gap_or_overlap(self, store: Store) -> None:
        messages = [a_message(NOON + at * SECOND) for at in range(7)]
        await put(store, *messages)
        await put(store, a_message(account=OTHER))
        expected = [message.id for message in reversed(messages)]
        assert await ids_listed(store) == expected
        first = await ids_listed(store, limit=3)
        second = await ids_listed(store, limit=3, before=first[-1])
        third = await ids_listed(store, limit=3, before=second[-1])
        assert first + second + third == expected
        assert await ids_listed(store, limit=3, before=third[-1]) == []

    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (MessageFilter(), [5, 4, 3, 2, 1, 0]),
            (MessageFilter(sender="+1500"), [3, 1, 0]),
            (MessageFilter(recipient="+1777"), [5, 4, 3, 2]),
            (MessageFilter(sender="+1500", recipient="+1777"), [3]),
            (MessageFilter(sent_from=NOON + 2 * HOUR), [4, 3, 2]),
            (MessageFilter(sent_until=NOON + 2 * HOUR), [1, 0]),
            (MessageFilter(sent_from=NOON + HOUR, sent_until=NOON + 3 * HOUR), [2, 1]),
            (MessageFilter(sender="+1500", sent_from=NOON + HOUR), [3, 1]),
            (MessageFilter(recipient="+1777", sent_until=NOON + 4 * HOUR), [3, 2]),
            (MessageFilter(sender="+1500", recipient="+1777", sent_from=NOON, sent_until=NOON + DAY), [3]),
            (MessageFilter(sender="nobody"), []),
            (MessageFilter(statuses=(Status.QUEUED,)), [5]),
            (MessageFilter(statuses=(Status.SENT, Status.QUEUED)), [5, 4, 3, 2, 1, 0]),
            (MessageFilter(statuses=()), []),
            (MessageFilter(sender="+1501", statuses=(Status.SENT,)), [4, 2]),
            (MessageFilter(recipient="+1777", statuses=(Status.QUEUED,)), [5]),
            (MessageFilter(created_from=NOON + 4 * HOUR), [5, 4]),
            (MessageFilter(created_until=NOON + 2 * HOUR), [1, 0]),
            (MessageFilter(created_from=NOON + HOUR, created_until=NOON + 3 * HOUR + 1), [3, 2, 1]),
            (MessageFilter(sender="+1500", created_from=NOON + 1), [3, 1]),
            (MessageFilter(recipient="+1777", created_until=NOON + 3 * HOUR), [2]),
            (MessageFilter(created_until=NOON + 5 * HOUR, sent_from=NOON + 4 * HOUR), [4]),
        ],
    )
    async def test_lists_by_every_filter(self, store: Store, where: MessageFilter, expected: list[int]) -> None:
        addresses = [
            ("+1500", "+1666"),
            ("+1500", "+1666"),
            ("+1501", "+1777"),
            ("+1500", "+1777"),
            ("+1501", "+1777"),
            ("+1501", "+1777"),
        ]
        messages = [
            a_message(NOON + place * HOUR, sender=sender, recipient=recipient)
            for place, (sender, recipient) in enumerate(addresses)
        ]
        for place, message in enumerate(messages[:-1]):
            await put(store, message, status=Status.SENT, sent_at=NOON + place * HOUR)
        await put(store, messages[-1])  # never sent: no filter by date finds it
        assert await ids_listed(store, where) == [messages[place].id for place in expected]
        for limit in (1, 2):
            paged: list[str] = []
            while page := await ids_listed(store, where, limit, **({"before": paged[-1]} if paged else {})):
                paged += page
            assert paged == [messages[place].id for place in expected]

    async def test_a_message_sent_long_after_it_was_made_is_listed_by_that_day(self, store: Store) -> None:
        message = a_message(NOON)
        await put(store, message, status=Status.SENT, sent_at=NOON + 35 * DAY)
        assert await ids_listed(store, MessageFilter(sent_from=NOON + 34 * DAY)) == [message.id]

    async def test_kept_answers_for_those_it_knows(self, store: Store) -> None:
        one, two = a_message(), a_message()
        await put(store, one, two)
        segments = [a_segment(one, part) for part in (1, 2, 3)]
        await store.commit(a_change(segments=list(reversed(segments))))
        found = await store.kept([two.id, one.id, an_id()])
        assert set(found) == {one.id, two.id}
        assert found[one.id].segments == segments
        assert found[two.id].segments == []
        assert await store.kept([]) == {}

    async def test_segments_beyond_a_new_cut_are_no_longer(self, store: Store) -> None:
        message, other = a_message(), a_message()
        await put(store, message, other)
        three = [a_segment(message, part) for part in (1, 2, 3)]
        await store.commit(a_change(segments=[*three, a_segment(other, 1), a_segment(other, 2)]))
        whole = a_segment(message, 1, carrier="reserve")
        await store.commit(a_change(segments=[whole], recut=[(message.id, 1)]))
        assert await store.segments(message.id) == [whole]
        assert len(await store.segments(other.id)) == 2
