"""The conformance suite's fourth part: every attempt at a callback, and callbacks that are told again."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.store.rows import (
    ACCOUNT,
    NASTY,
    NOON,
    OTHER,
    a_callback,
    a_change,
    a_message,
    a_replay,
    an_attempt,
    an_id,
    key_of,
    put,
)
from tidings.clock import DAY, HOUR, SECOND
from tidings.model import Attempt, Callback, CallbackState, Message, Replay, Target
from tidings.store.base import CallbackFilter, CallbackKey, Contradiction, Store

OWED, RETRYING, DONE, GIVEN_UP = CallbackState


async def given_up(store: Store, message: Message, *numbers: int, **changes: object) -> list[Callback]:
    """A message with callbacks that were given up, a hundred seconds after each was made."""
    await put(store, message)
    usual = {"state": GIVEN_UP, "done_at": message.created_at + 100 * SECOND, "created_at": message.created_at}
    callbacks = [a_callback(message, number, **usual | changes) for number in numbers or (1,)]
    await store.commit(a_change(callbacks=callbacks))
    return callbacks


async def told_again(store: Store, replay: Replay, limit: int) -> list[CallbackKey]:
    """All that a replay goes on with, batch by batch, as the delivery room does it."""
    keys: list[CallbackKey] = []
    while batch := await store.found_for_replay(replay, limit):
        assert len({callback.message_id for callback in batch}) <= limit
        keys += map(key_of, batch)
        owed = [msgspec.structs.replace(one, state=OWED, done_at=None, replay=replay.id) for one in batch]
        replay = msgspec.structs.replace(
            replay, cursor=batch[-1].message_id, requeued=replay.requeued + len(batch)
        )
        await store.commit(a_change(outcomes=owed, replays=[replay]))
    return keys


class AttemptsConformance:
    # --- attempts
    async def test_attempts_are_kept_as_they_were_given_and_come_in_order(self, store: Store) -> None:
        callback = a_callback(a_message())
        refused = an_attempt(callback, 1, NOON, connected=None, first_byte=None, response=None, error=11205)
        nasty = an_attempt(callback, 2, NOON + 1, url=NASTY, body=NASTY, response_body=NASTY, detail=NASTY)
        taken = an_attempt(callback, 3, NOON + 2, response=204, error=None, detail="")
        # Kept in any order, and together with those of other callbacks.
        for attempt in (taken, refused, nasty):
            await store.commit(a_change(attempts=[attempt]))
        others = [
            msgspec.structs.replace(callback, number=2),
            msgspec.structs.replace(callback, target=Target.ACCOUNT),
            a_callback(a_message()),
        ]
        await store.commit(a_change(attempts=[an_attempt(other) for other in others]))
        assert await store.attempts(ACCOUNT, key_of(callback)) == [refused, nasty, taken]
        assert [len(await store.attempts(ACCOUNT, key_of(other))) for other in others] == [1, 1, 1]
        assert await store.attempts(OTHER, key_of(callback)) == []

    async def test_an_attempt_and_its_outcome_are_kept_together_or_not_at_all(self, store: Store) -> None:
        message = a_message()
        callback = a_callback(message)
        await put(store, message)
        await store.commit(a_change(callbacks=[callback]))
        kept = an_attempt(callback)
        await store.commit(a_change(attempts=[kept]))
        bad = a_change(attempts=[an_attempt(callback, 2), kept], outcomes=[a_callback(message, state=DONE)])
        good = a_change(attempts=[an_attempt(a_callback(a_message()))])
        results = await asyncio.gather(store.commit(bad), store.commit(good), return_exceptions=True)
        assert [type(result) for result in results] == [Contradiction, type(None)]
        assert await store.attempts(ACCOUNT, key_of(callback)) == [kept]
        assert await store.callbacks(message.id) == [callback]

    @pytest.mark.parametrize("where", ["response_body", "response_headers", "url", "detail"])
    async def test_an_attempt_with_text_that_is_no_unicode_fails_alone(self, store: Store, where: str) -> None:
        callbacks = [a_callback(a_message()) for _ in range(2)]
        texts: list[dict[str, Any]] = [{where: "half a pair: \ud83d"}, {where: "replaced: \ufffd, and NUL: \0"}]
        bad, good = (an_attempt(one, **text) for one, text in zip(callbacks, texts, strict=True))
        results = await asyncio.gather(
            *(store.commit(a_change(attempts=[attempt])) for attempt in (bad, good)), return_exceptions=True
        )
        assert [type(result) for result in results] == [Contradiction, type(None)]
        assert [await store.attempts(ACCOUNT, key_of(one)) for one in callbacks] == [[], [good]]

    async def test_failed_attempts_are_newest_first_by_time_and_of_one_account(self, store: Store) -> None:
        callback = a_callback(a_message())
        failed = [an_attempt(callback, place, NOON + place * HOUR) for place in range(7)]
        taken = an_attempt(callback, 7, NOON + 3 * HOUR, error=None)
        theirs = an_attempt(a_callback(a_message(account=OTHER)), at=NOON + 3 * HOUR)
        await store.commit(a_change(attempts=[*failed, taken, theirs]))
        assert await store.failed_attempts(ACCOUNT, 0, NOON + DAY, 50) == failed[::-1]
        between = await store.failed_attempts(ACCOUNT, NOON + 2 * HOUR, NOON + 5 * HOUR, 50)
        assert between == [failed[4], failed[3], failed[2]]
        paged: list[Attempt] = []
        while page := await store.failed_attempts(
            ACCOUNT, NOON + HOUR, NOON + 6 * HOUR, 2, paged[-1].id if paged else None
        ):
            paged += page
        assert paged == failed[5:0:-1]
        assert await store.failed_attempt(ACCOUNT, failed[0].id) == failed[0]
        assert await store.failed_attempt(ACCOUNT, taken.id) is None
        assert await store.failed_attempt(ACCOUNT, theirs.id) is None
        assert await store.failed_attempt(OTHER, theirs.id) == theirs

    async def test_attempts_are_forgotten_by_age_oldest_first_and_no_others(self, store: Store) -> None:
        callback = a_callback(a_message())
        attempts = [an_attempt(callback, place, NOON + place * HOUR) for place in range(6)]
        await store.commit(a_change(attempts=attempts[::-1]))
        assert await store.drop_attempts(NOON + 4 * HOUR, 3) == 3
        assert await store.attempts(ACCOUNT, key_of(callback)) == attempts[3:]
        assert await store.drop_attempts(NOON + 4 * HOUR, 3) == 1
        assert await store.drop_attempts(NOON + 4 * HOUR, 3) == 0
        assert await store.attempts(ACCOUNT, key_of(callback)) == attempts[4:]
        assert await store.failed_attempts(ACCOUNT, 0, NOON + DAY, 50) == attempts[:3:-1]

    # --- replays
    async def test_replays_are_kept_changed_and_listed_newest_first_for_their_account(self, store: Store) -> None:
        where = CallbackFilter((DONE, GIVEN_UP), NASTY, 11200, an_id(), Target.ACCOUNT, NOON, NOON + 1)
        first, second, theirs = a_replay(where), a_replay(), a_replay(account=OTHER)
        await asyncio.gather(*(store.commit(a_change(replays=[replay])) for replay in (first, second, theirs)))
        assert await store.replay(ACCOUNT, first.id) == first
        assert msgspec.convert(first.where, CallbackFilter) == where
        assert await store.replays(ACCOUNT, 10) == [second, first]
        assert await store.replays(ACCOUNT, 1) == [second]
        assert await store.replay(ACCOUNT, theirs.id) is None
        assert await store.replays(OTHER, 10) == [theirs]
        assert await store.running_replays() == [first, second, theirs]

        further = msgspec.structs.replace(first, requeued=100, cursor=an_id())
        ended = msgspec.structs.replace(further, requeued=150, ended_at=NOON + 1)
        await store.commit(a_change(replays=[further, ended]))
        assert await store.replay(ACCOUNT, first.id) == ended
        assert await store.running_replays() == [second, theirs]

    @pytest.mark.parametrize("limit", [1, 2, 3, 50])
    @pytest.mark.parametrize("states", [(GIVEN_UP,), (DONE, GIVEN_UP), (DONE,)])
    async def test_a_replay_goes_through_all_that_its_filter_finds_oldest_first_and_whole_messages_at_a_time(
        self, store: Store, states: tuple[CallbackState, ...], limit: int
    ) -> None:
        expected = []
        for place in range(5):
            message = a_message(NOON - HOUR + place * SECOND)
            await put(store, message)
            callbacks = [
                a_callback(message, number, target=target, state=state, created_at=NOON - HOUR)
                for number, state in ((1, GIVEN_UP), (2, DONE), (3, GIVEN_UP), (4, OWED), (5, RETRYING))
                for target in sorted(Target)
            ]
            await store.commit(a_change(callbacks=callbacks))
            expected += [key_of(callback) for callback in callbacks if callback.state in states]
        await given_up(store, a_message(NOON - HOUR, account=OTHER))
        assert await told_again(store, a_replay(CallbackFilter(states)), limit) == expected

    async def test_a_replay_that_was_cut_short_goes_on_after_its_cursor(self, store: Store) -> None:
        messages = [a_message(NOON - HOUR + place) for place in range(4)]
        for message in messages:
            await given_up(store, message, 1, 2)
        replay = a_replay(cursor=messages[1].id)
        assert [key[0] for key in await told_again(store, replay, 10)] == [
            message.id for message in messages[2:] for _ in (1, 2)
        ]

    async def test_a_replay_obeys_the_whole_of_its_filter(self, store: Store) -> None:
        at = NOON - DAY
        (wanted,) = await given_up(store, a_message(at), error=11205, target=Target.ACCOUNT)
        await given_up(store, a_message(at), error=11200, target=Target.ACCOUNT)
        await given_up(store, a_message(at), error=11205)
        await given_up(store, a_message(at), error=11205, target=Target.ACCOUNT, host="http://127.0.0.1:80")
        await given_up(store, a_message(at - 1), error=11205, target=Target.ACCOUNT)
        await given_up(store, a_message(at + 1), error=11205, target=Target.ACCOUNT)
        narrow = CallbackFilter((GIVEN_UP,), wanted.host, 11205, None, Target.ACCOUNT, at, at + 1)
        for states in ((GIVEN_UP,), (DONE, GIVEN_UP)):
            where = msgspec.structs.replace(narrow, states=states)
            assert await store.found_for_replay(a_replay(where), 10) == [wanted]
            of_message = msgspec.structs.replace(where, message_id=wanted.message_id)
            assert await store.found_for_replay(a_replay(of_message), 10) == [wanted]
            of_another = msgspec.structs.replace(where, message_id=an_id())
            assert await store.found_for_replay(a_replay(of_another), 10) == []

    async def test_a_replay_leaves_alone_what_happened_after_it_was_asked_for(self, store: Store) -> None:
        (before,) = await given_up(store, a_message(NOON))
        await given_up(store, a_message(NOON + 1))
        for states in ((GIVEN_UP,), (DONE, GIVEN_UP)):
            for until in (None, NOON + HOUR):
                replay = a_replay(CallbackFilter(states, until=until), NOON)
                assert await store.found_for_replay(replay, 10) == [before]

    async def test_what_a_replay_made_owed_is_counted_by_state(self, store: Store) -> None:
        replay = a_replay()
        message = a_message(NOON - HOUR)
        callbacks = await given_up(store, message, 1, 2, 3, 4)
        assert await store.replay_states(replay.id) == {}
        assert len(await told_again(store, replay, 10)) == 4
        assert await store.replay_states(replay.id) == {OWED: 4}
        outcomes = [
            msgspec.structs.replace(callback, state=state, replay=replay.id)
            for callback, state in zip(callbacks, (DONE, GIVEN_UP, DONE), strict=False)
        ]
        await store.commit(a_change(outcomes=outcomes))
        assert await store.replay_states(replay.id) == {OWED: 1, DONE: 2, GIVEN_UP: 1}
        # One that is replayed again belongs to the later replay.
        await store.commit(a_change(outcomes=[msgspec.structs.replace(outcomes[1], replay=an_id())]))
        assert await store.replay_states(replay.id) == {OWED: 1, DONE: 2}
