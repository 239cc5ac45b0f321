"""The conformance suite's third part: what is owed to whom, in which order, and finding it again."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.store.rows import (
    ACCOUNT,
    HOST,
    NASTY,
    NOON,
    OTHER,
    a_callback,
    a_change,
    a_message,
    an_event,
    an_id,
    created,
    key_of,
    put,
)
from tidings.clock import DAY, HOUR
from tidings.ids import floor_id
from tidings.model import Callback, CallbackState, Message, Target
from tidings.store.base import CallbackFilter, CallbackKey, Change, Contradiction, Store

OWED, RETRYING, DONE, GIVEN_UP = CallbackState
ELSEWHERE = "http://127.0.0.1:80"
NAMED = [floor_id(NOON + day * DAY) for day in range(5)]
"""Ids of messages, a day apart."""

FOUND: dict[tuple[int, int, Target], dict[str, Any]] = {
    (0, 1, Target.MESSAGE): {"state": DONE},
    (1, 1, Target.MESSAGE): {"state": GIVEN_UP, "error": 11200, "host": ELSEWHERE},
    (1, 2, Target.ACCOUNT): {"state": RETRYING, "error": 11205},
    (2, 1, Target.MESSAGE): {"state": DONE},
    (2, 2, Target.ACCOUNT): {"state": GIVEN_UP, "error": 11200},
    (2, 2, Target.MESSAGE): {"state": DONE, "host": ELSEWHERE},
    (3, 1, Target.MESSAGE): {"state": GIVEN_UP},
    (3, 2, Target.ACCOUNT): {"state": OWED, "host": ELSEWHERE},
    (4, 1, Target.ACCOUNT): {"state": GIVEN_UP, "error": 11205},
}
"""(day, event, target) of callbacks to look for → what each differs in from the usual."""


async def due_keys(store: Store, now: int, limit: int = 10, host: str = HOST) -> list[CallbackKey]:
    return [key_of(owed.callback) for owed in await store.due_callbacks(host, ACCOUNT, now, limit)]


async def due(store: Store, now: int, limit: int = 10) -> list[tuple[str, int]]:
    """(message id, event number) of what is due, where all of it is for one target."""
    return [(key.message_id, key.number) for key in await due_keys(store, now, limit)]


async def found(store: Store, where: CallbackFilter, limit: int) -> list[CallbackKey]:
    """All that a filter finds, page by page."""
    keys: list[CallbackKey] = []
    while page := await store.find_callbacks(ACCOUNT, where, limit, keys[-1] if keys else None):
        assert len(page) <= limit
        keys += map(key_of, page)
    return keys


async def put_with(store: Store, message: Message, *callbacks: Callback) -> None:
    """A message with these callbacks, and an event for each of them but the first event, which it has."""
    change = created(message)
    change.events.extend(an_event(message, number) for number in {one.number for one in callbacks} - {1})
    change.callbacks.extend(callbacks)
    await store.commit(change)


class CallbacksConformance:
    # --- what is owed
    async def test_what_a_message_is_owed_is_due_with_the_first_of_it(self, store: Store) -> None:
        one, two = a_message(), a_message()
        for message, first_due in ((one, NOON + 1), (two, NOON)):
            await put_with(
                store, message, a_callback(message, 2, due_at=first_due), a_callback(message, 3, due_at=NOON)
            )
        assert await due(store, NOON + 1) == [(two.id, 2), (two.id, 3), (one.id, 2), (one.id, 3)]
        assert {key[0] for key in await due(store, NOON + 1, limit=1)} == {two.id}
        # A head that waits for its next attempt holds the rest of its message back.
        assert {key[0] for key in await due(store, NOON)} == {two.id}
        assert await store.next_callback_due(HOST, ACCOUNT, NOON) == NOON + 1
        assert await store.next_callback_due(HOST, ACCOUNT, NOON + 1) is None

        await store.commit(a_change(outcomes=[a_callback(two, 2, state=DONE, due_at=NOON)]))
        await store.commit(a_change(outcomes=[a_callback(one, 2, state=RETRYING, due_at=NOON + HOUR, attempts=1)]))
        assert await due(store, NOON + 1) == [(two.id, 3)]
        assert await store.next_callback_due(HOST, ACCOUNT, NOON + 1) == NOON + HOUR

        await store.commit(a_change(outcomes=[a_callback(one, 2, state=GIVEN_UP, error=11200)]))
        assert await due(store, NOON + 1) == [(one.id, 3), (two.id, 3)]

    async def test_the_two_targets_of_a_message_are_two_chains(self, store: Store) -> None:
        message = a_message()
        later = {Target.MESSAGE: NOON + 1, Target.ACCOUNT: NOON + 10}
        callbacks = [
            a_callback(message, number, target=target, due_at=due_at)
            for target, due_at in later.items()
            for number in (1, 2)
        ]
        await put_with(store, message, *callbacks)
        keys = [key_of(callback) for callback in callbacks]
        assert await due_keys(store, NOON + 1) == keys[:2]
        assert await due_keys(store, NOON + 10) == keys
        assert await due_keys(store, NOON + 10, limit=1) == keys[:2]
        retried = msgspec.structs.replace(callbacks[0], state=RETRYING, due_at=NOON + HOUR)
        await store.commit(a_change(outcomes=[retried]))
        assert await due_keys(store, NOON + 10) == keys[2:]
        retried = msgspec.structs.replace(retried, due_at=NOON + 2 * HOUR)
        done = msgspec.structs.replace(callbacks[2], state=DONE, done_at=NOON)
        await store.commit(a_change(outcomes=[retried, done]))
        assert await due_keys(store, NOON + 10) == keys[3:]
        kept = [retried, callbacks[1], done, callbacks[3]]
        assert await store.callbacks(message.id) == sorted(kept, key=key_of)

    async def test_what_a_chain_is_owed_at_another_host_keeps_its_place(self, store: Store) -> None:
        message = a_message()
        hosts = [HOST, ELSEWHERE, HOST]
        callbacks = [a_callback(message, number, host=host) for number, host in enumerate(hosts, 1)]
        await put_with(store, message, *callbacks)
        for callback in callbacks:
            at_each = {host: await due_keys(store, NOON, host=host) for host in (HOST, ELSEWHERE)}
            assert at_each == {HOST: [], ELSEWHERE: []} | {callback.host: [key_of(callback)]}
            await store.commit(a_change(outcomes=[msgspec.structs.replace(callback, state=DONE)]))

    async def test_what_is_owed_is_counted_and_kept_apart_by_host_and_account(self, store: Store) -> None:
        mine, theirs = a_message(), a_message(account=OTHER)
        await put_with(
            store,
            mine,
            a_callback(mine, 1),
            a_callback(mine, 2),
            a_callback(mine, 3, host=ELSEWHERE, due_at=NOON + 1),
        )
        await put_with(store, theirs, a_callback(theirs, due_at=NOON + 2))
        own = Target.MESSAGE
        assert sorted(await store.owing()) == sorted(
            [(HOST, ACCOUNT, own, 2), (ELSEWHERE, ACCOUNT, own, 1), (HOST, OTHER, own, 1)]
        )
        assert {owed.message.id for owed in await store.due_callbacks(HOST, OTHER, NOON + 9, 10)} == {theirs.id}
        assert {owed.message.id for owed in await store.due_callbacks(HOST, ACCOUNT, NOON + 9, 10)} == {mine.id}
        assert await store.next_callback_due(HOST, ACCOUNT, NOON) is None
        assert await store.next_callback_due(HOST, OTHER, NOON) == NOON + 2
        settled = [a_callback(mine, 1, state=DONE), a_callback(mine, 2, state=GIVEN_UP)]
        await store.commit(a_change(outcomes=settled))
        assert sorted(await store.owing()) == sorted([(ELSEWHERE, ACCOUNT, own, 1), (HOST, OTHER, own, 1)])
        assert [callback.state for callback in await store.callbacks(mine.id)] == [DONE, GIVEN_UP, OWED]

    async def test_an_owed_callback_brings_all_that_its_request_is_made_of(self, store: Store) -> None:
        message = a_message(body=NASTY, callback_url="https://app.example.com/hook")
        callback = a_callback(message)
        await put_with(store, message, callback)
        (owed,) = await store.due_callbacks(HOST, ACCOUNT, NOON, 10)
        assert (owed.callback, owed.message, owed.event) == (callback, message, an_event(message))

    async def test_an_outcome_says_all_that_can_change(self, store: Store) -> None:
        message = a_message()
        await put_with(store, message, a_callback(message))
        again = a_callback(
            message,
            host=ELSEWHERE,  # an account-wide URL that was changed since
            state=RETRYING,
            owed_since=NOON + 1,
            due_at=NOON + 2,
            attempts=3,
            response=503,
            error=11200,
            done_at=NOON + 4,
            replay=an_id(),
        )
        await store.commit(a_change(outcomes=[again]))
        assert await store.callbacks(message.id) == [again]
        assert [row[0] for row in await store.owing()] == [ELSEWHERE]

    async def test_a_callback_that_is_kept_already_fails_alone(self, store: Store) -> None:
        message = a_message()
        await put_with(store, message, a_callback(message))
        changes = [
            a_change(callbacks=[a_callback(message, due_at=NOON + 1)]),
            a_change(callbacks=[a_callback(message, target=Target.ACCOUNT)]),
        ]
        results = await asyncio.gather(*map(store.commit, changes), return_exceptions=True)
        assert [type(result) for result in results] == [Contradiction, type(None)]
        expected = [a_callback(message, target=Target.ACCOUNT), a_callback(message)]
        assert await store.callbacks(message.id) == expected

    async def test_what_is_being_retried_at_a_host_can_be_hastened(self, store: Store) -> None:
        message, theirs = a_message(), a_message(account=OTHER)
        late = NOON + HOUR
        retried = [a_callback(message, number, state=RETRYING, due_at=late) for number in (1, 2)]
        others = [
            a_callback(message, 3, due_at=late),  # never tried yet
            a_callback(message, 4, state=GIVEN_UP, due_at=late),
            a_callback(message, 5, state=RETRYING, due_at=late, host=ELSEWHERE),
            a_callback(message, 6, state=RETRYING, due_at=NOON - 1),
        ]
        await put_with(store, message, *retried, *others)
        await put_with(store, theirs, a_callback(theirs, state=RETRYING, due_at=late))
        assert await store.hasten(HOST, ACCOUNT, NOON) == 2
        hastened = [msgspec.structs.replace(one, due_at=NOON) for one in retried]
        assert await store.callbacks(message.id) == [*hastened, *others]
        assert await store.next_callback_due(HOST, OTHER, NOON) == late
        assert await store.hasten(HOST, ACCOUNT, NOON) == 0

    # --- what became of it
    async def test_a_callback_is_found_by_its_own_account_only(self, store: Store) -> None:
        message = a_message()
        callback = a_callback(message, state=GIVEN_UP)
        await put_with(store, message, callback)
        assert await store.callback(ACCOUNT, key_of(callback)) == callback
        assert await store.callback(OTHER, key_of(callback)) is None
        assert await store.callback(ACCOUNT, CallbackKey(message.id, 2, Target.MESSAGE)) is None
        assert await store.callback(ACCOUNT, CallbackKey(message.id, 1, Target.ACCOUNT)) is None

    @pytest.mark.parametrize("limit", [1, 2, 50])
    @pytest.mark.parametrize(
        ("where", "expected"),
        [
            (CallbackFilter(), [8, 7, 6, 5, 4, 3, 2, 1, 0]),
            (CallbackFilter((GIVEN_UP,)), [8, 6, 4, 1]),
            (CallbackFilter((OWED,)), [7]),
            (CallbackFilter((OWED, RETRYING)), [7, 2]),
            (CallbackFilter((RETRYING, GIVEN_UP)), [8, 6, 4, 2, 1]),
            (CallbackFilter((OWED, RETRYING, GIVEN_UP)), [8, 7, 6, 4, 2, 1]),
            (CallbackFilter((DONE,)), [5, 3, 0]),
            (CallbackFilter((DONE, GIVEN_UP)), [8, 6, 5, 4, 3, 1, 0]),
            (CallbackFilter(()), []),
            (CallbackFilter(host=ELSEWHERE), [7, 5, 1]),
            (CallbackFilter((OWED, RETRYING), host=ELSEWHERE), [7]),
            (CallbackFilter((GIVEN_UP,), host=ELSEWHERE), [1]),
            (CallbackFilter((DONE,), host=ELSEWHERE), [5]),
            (CallbackFilter((OWED, RETRYING), host="nowhere"), []),
            (CallbackFilter(error=11205), [8, 2]),
            (CallbackFilter((GIVEN_UP,), error=11205), [8]),
            (CallbackFilter((RETRYING,), error=11205), [2]),
            (CallbackFilter(target=Target.ACCOUNT), [8, 7, 4, 2]),
            (CallbackFilter((GIVEN_UP,), target=Target.ACCOUNT), [8, 4]),
            (CallbackFilter((OWED, RETRYING), target=Target.MESSAGE), []),
            (CallbackFilter(message_id=NAMED[2]), [5, 4, 3]),
            (CallbackFilter((GIVEN_UP,), message_id=NAMED[2]), [4]),
            (CallbackFilter((OWED,), message_id=NAMED[3]), [7]),
            (CallbackFilter(message_id=NAMED[3], target=Target.MESSAGE), [6]),
            (CallbackFilter(message_id=NAMED[1], since=NOON + 2 * DAY), []),
            (CallbackFilter(since=NOON + 2 * DAY), [8, 7, 6, 5, 4, 3]),
            (CallbackFilter(until=NOON + 2 * DAY), [2, 1, 0]),
            (CallbackFilter(since=NOON + DAY, until=NOON + 3 * DAY), [5, 4, 3, 2, 1]),
            (CallbackFilter((GIVEN_UP,), since=NOON + DAY, until=NOON + 3 * DAY), [4, 1]),
            (CallbackFilter((OWED, RETRYING), since=NOON + 2 * DAY), [7]),
        ],
    )
    async def test_callbacks_are_found_by_every_filter_newest_first_and_page_without_gap(
        self, store: Store, where: CallbackFilter, expected: list[int], limit: int
    ) -> None:
        for day, message_id in enumerate(NAMED):
            at = NOON + day * DAY
            message = a_message(at, id=message_id)
            callbacks = [
                a_callback(message, number, target=target, created_at=at, **changes)
                for (its_day, number, target), changes in FOUND.items()
                if its_day == day
            ]
            await put_with(store, message, *callbacks)
        for state in CallbackState:
            theirs = a_message(NOON + DAY, account=OTHER)
            await put_with(store, theirs, a_callback(theirs, state=state, created_at=NOON + DAY))
        places = [CallbackKey(NAMED[day], number, target) for day, number, target in FOUND]
        assert [places.index(key) for key in await found(store, where, limit)] == expected

    async def test_another_account_s_message_shows_nothing(self, store: Store) -> None:
        theirs = a_message(account=OTHER)
        await put_with(store, theirs, a_callback(theirs, state=GIVEN_UP))
        assert await store.find_callbacks(ACCOUNT, CallbackFilter(message_id=theirs.id), 10) == []

    async def test_an_event_long_after_its_message_was_made_is_found_by_its_own_day(self, store: Store) -> None:
        message = a_message(NOON)
        at = NOON + 38 * DAY  # scheduled 35 days ahead; the receipt took three more
        await put_with(store, message, a_callback(message, state=GIVEN_UP, created_at=at))
        for states in ((GIVEN_UP,), tuple(CallbackState)):
            where = CallbackFilter(states=states, since=at, until=at + 1)
            assert [one.message_id for one in await store.find_callbacks(ACCOUNT, where, 10)] == [message.id]
            earlier = CallbackFilter(states=states, since=NOON, until=at)
            assert await store.find_callbacks(ACCOUNT, earlier, 10) == []

    async def test_what_is_settled_is_listed_once_and_where_it_now_is(self, store: Store) -> None:
        messages = [a_message() for _ in range(3)]
        await put(store, *messages)
        change = Change()
        change.callbacks.extend(map(a_callback, messages))
        await store.commit(change)
        await store.commit(a_change(outcomes=[a_callback(messages[1], state=GIVEN_UP, done_at=NOON)]))
        where = CallbackFilter(states=(OWED, RETRYING, GIVEN_UP))
        listed = [(one.message_id, one.state) for one in await store.find_callbacks(ACCOUNT, where, 10)]
        assert listed == [(messages[2].id, OWED), (messages[1].id, GIVEN_UP), (messages[0].id, OWED)]
