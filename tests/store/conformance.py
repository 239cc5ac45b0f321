"""What every store must do, whatever it keeps things in: the contract of `store.base`, act by act.

A store's test file inherits `StoreConformance` and brings one fixture, `stores`: a factory of stores that are not
open yet and all lie in the same place, so that a test can close one and look at what the next one finds.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidings.clock import DAY, HOUR, SECOND
from tidings.lifecycle import Kind, SegmentState, Status
from tidings.model import (
    Account,
    ApiKey,
    Callback,
    CallbackState,
    Direction,
    Event,
    IdempotencyKey,
    KeptReceipt,
    Message,
    OptOut,
    Segment,
    Sender,
    Standing,
)
from tidings.store.base import Change, KeyTaken, MessageFilter, Store, StoreError
from tidings.text import Encoding

Stores = Callable[[], Store]

NOON = 1_790_000_000 * SECOND
ACCOUNT, OTHER = "0a" * 16, "0b" * 16
HOST = "https://app.example.com:443"
_numbers = count()
NASTY = (
    '\'; DROP TABLE messages; --\n\r\t"double" \\back\\slash \\u0041 {"json": [1]} '
    "€ß漢字 👩\u200d👩\u200d👧 \u2028 %s ?1 \x7f"
)


def an_id(at: int = NOON) -> str:
    """An id as of any time; `ids.new_id` never goes back."""
    return f"{at // 1000:012x}7{next(_numbers):019x}"


def a_message(at: int = NOON, **changes: Any) -> Message:
    usual = Message(
        an_id(at),
        ACCOUNT,
        "twilio",
        Direction.OUTBOUND_API,
        "+15005550006",
        "+15551230000",
        "hello",
        Encoding.GSM7,
        1,
        None,
        None,
        at,
    )
    return msgspec.structs.replace(usual, **changes)


def standing_of(message: Message, **changes: Any) -> Standing:
    usual = Standing(message.id, Status.QUEUED, 1, message.created_at, carrier="main", due_at=message.created_at)
    return msgspec.structs.replace(usual, **changes)


def an_event(message: Message, number: int = 1, **changes: Any) -> Event:
    usual = Event(
        message.id,
        number,
        message.account,
        NOON,
        Kind.CREATED,
        Status.QUEUED,
        True,
        True,
        0,
        None,
        {"why": "a test"},
    )
    return msgspec.structs.replace(usual, **changes)


def a_segment(message: Message, part: int = 1, **changes: Any) -> Segment:
    usual = Segment(message.id, part, SegmentState.WAITING, "main")
    return msgspec.structs.replace(usual, **changes)


def a_callback(message: Message, number: int = 1, **changes: Any) -> Callback:
    usual = Callback(message.id, number, message.account, HOST, CallbackState.OWED, NOON, NOON)
    return msgspec.structs.replace(usual, **changes)


def a_receipt(message_id: str | None = None, **changes: Any) -> KeptReceipt:
    usual = KeptReceipt(an_id(), "main", NOON, message_id, 0, "00aaff", {"word": "DELIVRD", "ids": ["7"]})
    return msgspec.structs.replace(usual, **changes)


def a_key(message: Message, key: str = "key") -> IdempotencyKey:
    return IdempotencyKey(message.account, key, "digest", message.id, message.created_at)


def a_change(**rows: Any) -> Change:
    """A change with these rows: `a_change(messages=[…], standings=[…])`."""
    change = Change()
    for kind, content in rows.items():
        getattr(change, kind).extend(content)
    return change


def created(message: Message, **standing: Any) -> Change:
    return a_change(messages=[message], standings=[standing_of(message, **standing)], events=[an_event(message)])


async def put(store: Store, *messages: Message, **standing: Any) -> None:
    await asyncio.gather(*(store.commit(created(message, **standing)) for message in messages))


async def ids_listed(store: Store, where: MessageFilter | None = None, limit: int = 50, **page: str) -> list[str]:
    found = await store.messages(ACCOUNT, where or MessageFilter(), limit, **page)
    return [message.id for message, _ in found]


def _note(settled: list[int], place: int, _: asyncio.Future[None]) -> None:
    settled.append(place)


class StoreConformance:
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
        assert len(await store.due_messages("main", NOON, 3000)) == 2000
        assert await store.owed_callbacks(HOST, 3000) == 2000

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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

    # --- work
    async def test_due_messages_come_oldest_first_for_one_carrier(self, store: Store) -> None:
        messages = [a_message() for _ in range(5)]
        due = [NOON + 3, NOON + 1, NOON + 2, None, NOON + 10]
        for message, at in zip(messages, due, strict=True):
            await put(store, message, due_at=at)
        await put(store, a_message(), carrier="reserve", due_at=NOON)
        found = [tuple(row) for row in await store.due_messages("main", NOON + 5, 10)]
        assert found == [(messages[1].id, NOON + 1), (messages[2].id, NOON + 2), (messages[0].id, NOON + 3)]
        assert [row[0] for row in await store.due_messages("main", NOON + 5, 1)] == [messages[1].id]
        assert await store.next_due("main", NOON + 3) == NOON + 10
        assert await store.next_due("main", NOON + 10) is None
        assert await store.next_due("nobody", 0) is None
        assert sorted(await store.waiting_carriers()) == ["main", "reserve"]

    async def test_a_message_that_is_no_longer_due_waits_for_nobody(self, store: Store) -> None:
        message = a_message()
        await put(store, message)
        await store.commit(a_change(standings=[standing_of(message, status=Status.SENDING, due_at=None)]))
        assert await store.due_messages("main", NOON + DAY, 10) == []
        assert await store.waiting_carriers() == []

    async def test_doubtful_segments_are_those_whose_answer_is_missing(self, store: Store) -> None:
        messages = [a_message() for _ in range(3)]
        await put(store, *messages)
        states = [SegmentState.SUBMITTING, SegmentState.ACCEPTED, SegmentState.SUBMITTING]
        await store.commit(
            a_change(
                segments=[
                    a_segment(message, part, state=state)
                    for message in messages
                    for part, state in enumerate(states, 1)
                ]
            )
        )
        expected = [(message.id, part) for message in messages for part in (1, 3)]
        assert [tuple(row) for row in await store.doubtful_segments(10)] == expected
        first = await store.doubtful_segments(4)
        rest = await store.doubtful_segments(10, first[-1])
        assert [tuple(row) for row in (*first, *rest)] == expected

    async def test_waiting_segments_are_counted_for_each_sender_while_their_messages_are_queued(
        self, store: Store
    ) -> None:
        await put(store, a_message(segments=3), a_message(segments=2), a_message(sender="+1501"))
        await put(store, a_message(account=OTHER))
        await put(store, a_message(), status=Status.SENT, due_at=None)
        # Handed back by its carrier: it goes on, but has left the queue for good.
        await put(store, a_message(), status=Status.SENDING)
        assert await store.waiting_segments() == {
            (ACCOUNT, "+15005550006"): 5,
            (ACCOUNT, "+1501"): 1,
            (OTHER, "+15005550006"): 1,
        }

    async def test_open_segments_are_those_a_carrier_may_have_and_no_receipt_settled(self, store: Store) -> None:
        message, old, elsewhere = a_message(), a_message(NOON - 8 * DAY), a_message(recipient="+1999")
        await put(store, message, old, elsewhere)
        segments = [a_segment(message, part, state=state) for part, state in enumerate(SegmentState, 1)]
        await store.commit(
            a_change(
                segments=[
                    *segments,
                    a_segment(message, 99, state=SegmentState.ACCEPTED, carrier="reserve"),
                    a_segment(old, state=SegmentState.ACCEPTED),
                    a_segment(elsewhere, state=SegmentState.ACCEPTED),
                ]
            )
        )
        is_open = {SegmentState.SUBMITTING, SegmentState.UNCERTAIN, SegmentState.ACCEPTED}
        expected = {(message.id, segment.part) for segment in segments if segment.state in is_open}
        everything = await store.open_segments("main", ["+15551230000", "15551230000"], NOON - 7 * DAY)
        assert {tuple(row) for row in everything} == expected
        assert [tuple(row) for row in await store.open_segments("reserve", ["+15551230000"], 0)] == [
            (message.id, 99)
        ]
        assert await store.open_segments("main", [], 0) == []

    # --- receipts
    async def test_segments_are_found_by_key_within_one_carrier(self, store: Store) -> None:
        one, two, three = (a_message() for _ in range(3))
        await put(store, one, two, three)
        await store.commit(
            a_change(
                segments=[
                    a_segment(one, state=SegmentState.ACCEPTED, carrier_id="7", carrier_key="7"),
                    a_segment(two, state=SegmentState.ACCEPTED, carrier_id="07", carrier_key="7"),
                    a_segment(three, carrier="reserve", carrier_id="7", carrier_key="7"),
                    a_segment(three, 2, carrier="main", carrier_id="8", carrier_key="8"),
                ]
            )
        )
        found = {tuple(row) for row in await store.find_segments("main", ["7", "8", "9"])}
        assert found == {("7", one.id, 1), ("7", two.id, 1), ("8", three.id, 2)}
        assert [tuple(row) for row in await store.find_segments("reserve", ["7"])] == [("7", three.id, 1)]
        assert await store.find_segments("main", []) == []

    async def test_a_parked_receipt_is_found_by_each_of_its_keys_until_it_is_matched(self, store: Store) -> None:
        message = a_message()
        await put(store, message)
        early, late = a_receipt(received_at=NOON), a_receipt(received_at=NOON + 1)
        await store.commit(
            a_change(
                receipts=[early, late],
                parked=[
                    ("main", "7", early.id, NOON),
                    ("main", "a", early.id, NOON),
                    ("main", "7", late.id, NOON + 1),
                ],
            )
        )
        assert await store.parked("main", "7") == [early, late]
        assert await store.parked("main", "a") == [early]
        assert await store.parked("reserve", "7") == []
        newest_first = [tuple(row) for row in await store.parked_keys(10)]
        assert newest_first[0] == ("main", "7", late.id)
        assert len(newest_first) == 3
        assert len(await store.parked_keys(1)) == 1

        await store.commit(a_change(matched=[(early.id, message.id, 1)]))
        assert await store.parked("main", "7") == [late]
        assert await store.parked("main", "a") == []
        assert await store.receipts(message.id) == [msgspec.structs.replace(early, message_id=message.id, part=1)]

    async def test_a_receipt_parked_and_matched_in_one_batch_is_not_parked(self, store: Store) -> None:
        message, receipt = a_message(), a_receipt()
        await asyncio.gather(
            store.commit(created(message)),
            store.commit(a_change(receipts=[receipt], parked=[("main", "7", receipt.id, NOON)])),
            store.commit(a_change(matched=[(receipt.id, message.id, 1)])),
        )
        assert await store.parked_keys(10) == []
        assert [found.id for found in await store.receipts(message.id)] == [receipt.id]

    async def test_parked_receipts_are_let_go_of_by_age(self, store: Store) -> None:
        receipts = [a_receipt(received_at=NOON + at) for at in range(3)]
        await store.commit(
            a_change(
                receipts=receipts,
                parked=[("main", "7", receipt.id, receipt.received_at) for receipt in receipts],
            )
        )
        assert await store.drop_parked(NOON + 2) == 2
        assert [row[2] for row in await store.parked_keys(10)] == [receipts[2].id]
        assert await store.drop_parked(NOON + 2) == 0

    # --- callbacks
    async def test_what_a_message_is_owed_is_due_with_the_first_of_it(self, store: Store) -> None:
        one, two = a_message(), a_message()
        await put(store, one, two)
        for message, first_due in ((one, NOON + 1), (two, NOON)):
            change = Change()
            change.events.extend(an_event(message, number) for number in (2, 3))
            change.callbacks.append(a_callback(message, 2, due_at=first_due))
            change.callbacks.append(a_callback(message, 3, due_at=NOON))
            await store.commit(change)
        heads = await store.due_callbacks(HOST, NOON + 1, 10)
        assert [(owed.message, owed.event.number, owed.callback.number) for owed in heads] == [
            (two, 2, 2),
            (two, 3, 3),
            (one, 2, 2),
            (one, 3, 3),
        ]
        assert {owed.message.id for owed in await store.due_callbacks(HOST, NOON + 1, 1)} == {two.id}
        # A head that waits for its next attempt holds the rest of its message back.
        assert {owed.message.id for owed in await store.due_callbacks(HOST, NOON, 10)} == {two.id}
        assert await store.next_callback_due(HOST, NOON) == NOON + 1
        assert await store.next_callback_due(HOST, NOON + 1) is None

        await store.commit(a_change(outcomes=[a_callback(two, 2, state=CallbackState.DONE, due_at=NOON)]))
        await store.commit(
            a_change(outcomes=[a_callback(one, 2, state=CallbackState.RETRYING, due_at=NOON + HOUR, attempts=1)])
        )
        heads = await store.due_callbacks(HOST, NOON + 1, 10)
        assert [(owed.message.id, owed.event.number) for owed in heads] == [(two.id, 3)]
        assert await store.next_callback_due(HOST, NOON + 1) == NOON + HOUR

        await store.commit(
            a_change(outcomes=[a_callback(one, 2, state=CallbackState.GIVEN_UP, due_at=NOON + HOUR, error=11200)])
        )
        heads = await store.due_callbacks(HOST, NOON + 1, 10)
        assert [(owed.message.id, owed.event.number) for owed in heads] == [(one.id, 3), (two.id, 3)]

    async def test_callbacks_are_counted_and_kept_apart_by_host(self, store: Store) -> None:
        message = a_message()
        await put(store, message)
        other = "http://127.0.0.1:80"
        await store.commit(
            a_change(
                events=[an_event(message, number) for number in (2, 3)],
                callbacks=[a_callback(message, 1), a_callback(message, 2), a_callback(message, 3, host=other)],
            )
        )
        assert sorted(await store.owing_hosts()) == sorted([HOST, other])
        assert await store.owed_callbacks(HOST, 10) == 2
        assert await store.owed_callbacks(HOST, 1) == 1
        done = [a_callback(message, number, state=CallbackState.DONE) for number in (1, 2)]
        await store.commit(a_change(outcomes=done))
        assert await store.owing_hosts() == [other]
        assert await store.owed_callbacks(HOST, 10) == 0
        assert [callback.state for callback in await store.callbacks(message.id)] == [
            CallbackState.DONE,
            CallbackState.DONE,
            CallbackState.OWED,
        ]

    async def test_an_owed_callback_brings_all_that_its_request_is_made_of(self, store: Store) -> None:
        message = a_message(body=NASTY, callback_url="https://app.example.com/hook")
        change = created(message)
        callback = a_callback(message)
        change.callbacks.append(callback)
        await store.commit(change)
        (owed,) = await store.due_callbacks(HOST, NOON, 10)
        assert (owed.callback, owed.message, owed.event) == (callback, message, an_event(message))

    # --- opt-outs, keys, accounts
    async def test_an_opt_out_holds_for_one_sender_and_recipient_until_it_is_lifted(self, store: Store) -> None:
        choice = OptOut(ACCOUNT, "+1500", "+1555", NOON, "STOP")
        await store.commit(a_change(opt_outs=[choice, choice]))
        assert await store.opted_out(ACCOUNT, "+1500", "+1555")
        assert not await store.opted_out(ACCOUNT, "+1501", "+1555")
        assert not await store.opted_out(ACCOUNT, "+1500", "+1556")
        assert not await store.opted_out(OTHER, "+1500", "+1555")
        await store.commit(a_change(opt_ins=[choice]))
        assert not await store.opted_out(ACCOUNT, "+1500", "+1555")
        await store.commit(a_change(opt_ins=[choice]))

    async def test_idempotency_keys_are_forgotten_by_age(self, store: Store) -> None:
        old, young = a_message(NOON), a_message(NOON + 1)
        for message, key in ((old, "old"), (young, "young")):
            change = created(message)
            change.keys.append(a_key(message, key))
            await store.commit(change)
        assert await store.drop_idempotency_keys(NOON + 1) == 1
        assert await store.idempotency_key(ACCOUNT, "old") is None
        assert await store.idempotency_key(ACCOUNT, "young") is not None
        assert await store.idempotency_key(OTHER, "young") is None

    async def test_accounts_are_put_found_and_replaced(self, store: Store) -> None:
        account = Account(ACCOUNT, NASTY, "token", NOON, countries=("US", "GB"))
        other = Account(OTHER, "", "token", NOON + 1, active=False)
        await store.put_account(other)
        await store.put_account(account)
        assert await store.account(ACCOUNT) == account
        assert await store.accounts() == [account, other]
        assert await store.account("0c" * 16) is None
        rotated = msgspec.structs.replace(account, auth_token="new", countries=None, active=False)
        await store.put_account(rotated)
        assert await store.account(ACCOUNT) == rotated

    async def test_api_keys_and_senders_belong_to_an_account(self, store: Store) -> None:
        await store.put_account(Account(ACCOUNT, "", "token", NOON))
        await store.put_account(Account(OTHER, "", "token", NOON))
        key = ApiKey("0c" * 16, ACCOUNT, "ci", "hash", NOON)
        await store.put_api_key(key)
        assert await store.api_key(key.id) == key
        assert await store.api_key("0d" * 16) is None
        senders = [Sender("+1500", ACCOUNT, 10), Sender("ACME", ACCOUNT)]
        for sender in senders:
            await store.put_sender(sender)
        assert await store.sender("ACME") == senders[1]
        assert await store.sender("acme") is None
        assert await store.senders(ACCOUNT) == senders
        await store.put_sender(Sender("ACME", OTHER, 5))
        assert await store.senders(OTHER) == [Sender("ACME", OTHER, 5)]
        assert await store.senders(ACCOUNT) == senders[:1]

    async def test_a_sender_of_no_account_is_refused(self, store: Store) -> None:
        with pytest.raises(StoreError):
            await store.put_sender(Sender("+1500", ACCOUNT))
        assert await store.sender("+1500") is None
