"""The conformance suite's fifth part: media, what only some dialects speak of, and how all of it is taken away."""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.store.rows import (
    ACCOUNT,
    HOST,
    NASTY,
    NOON,
    OTHER,
    a_callback,
    a_change,
    a_medium,
    a_message,
    a_receipt,
    an_attempt,
    an_event,
    an_id,
    created,
    key_of,
    put,
    standing_of,
)
from tidings.lifecycle import Status
from tidings.model import CallbackState, Channel, Message, Standing, Target
from tidings.store.base import Change, MessageFilter, Store

SECRET = "the vault's code is 4711"
DONE = CallbackState.DONE
EXTRAS = {"custom_variables": {"a": [1, None, {"b": NASTY}]}, "tags": ["one"], "context": "office"}


def told(message: Message) -> Change:
    """A message of which everything is kept that can hold its text: what came in, a receipt, two attempts."""
    callbacks = [a_callback(message, 1, state=DONE), a_callback(message, 1, state=DONE, target=Target.ACCOUNT)]
    return a_change(
        messages=[message],
        standings=[standing_of(message, status=Status.DELIVERED, due_at=None)],
        events=[an_event(message, detail={"carrier": "main", "raw": message.body, "text": message.body})],
        receipts=[a_receipt_of(message)],
        callbacks=callbacks,
        attempts=[attempt_of(message, "POST"), attempt_of(message, "GET", Target.ACCOUNT)],
    )


def a_receipt_of(message: Message, **changes: Any) -> Any:
    said = {"word": "DELIVRD", "ids": ["7"], "notes": ["odd"], "text": f"id:7 text:{message.body}"}
    return a_receipt(message.id, raw=message.body, receipt=said, **changes)


def attempt_of(message: Message, method: str, target: Target = Target.MESSAGE, **changes: Any) -> Any:
    get = {
        "method": "GET",
        "url": f"https://app.example.com/hook?Body={message.body}",
        "body": "",
        "response_headers": f"Location: https://app.example.com/?Body={message.body}",
        "detail": f"redirected to https://app.example.com/?Body={message.body}",
    }
    post = {"body": f"Body={message.body}"}
    usual = {"response_body": f"<Message>You said {message.body}</Message>"}
    callback = a_callback(message, 1, target=target)
    return an_attempt(callback, **usual | (get if method == "GET" else post) | changes)


async def everything(store: Store, message: Message) -> str:
    """All that a store still has to say of a message."""

    async def parts() -> list[Any]:
        attempts = [
            await store.attempts(ACCOUNT, key_of(a_callback(message, 1, target=target)))
            for target in (Target.MESSAGE, Target.ACCOUNT)
        ]
        return [
            await store.message(ACCOUNT, message.id, deleted=True),
            list((await store.kept([message.id])).values()),
            await store.events(message.id),
            await store.receipts(message.id),
            await store.callbacks(message.id),
            await store.due_callbacks(HOST, ACCOUNT, NOON, 10),
            *attempts,
        ]

    return msgspec.json.encode(await parts()).decode()


def taken_away(message: Message, **changes: Any) -> Standing:
    return standing_of(message, status=Status.DELIVERED, due_at=None, **changes)


class ContentsConformance:
    # --- what some dialects speak of
    async def test_a_message_comes_back_with_all_that_only_some_dialects_speak_of(self, store: Store) -> None:
        full = a_message(
            channel=Channel.MMS, media=2, service=an_id(), price=-7900, send_at=NOON + 1, extras=EXTRAS
        )
        plain = a_message()
        # Together with others, and alone: a store may write them differently.
        await put(store, full, plain, *(a_message(extras={"n": n}) for n in range(20)))
        await store.commit(a_change(events=[an_event(full, 2)], callbacks=[a_callback(full, 2)]))
        for message in (full, plain):
            assert await store.message(ACCOUNT, message.id) == (message, standing_of(message))
            assert (await store.kept([message.id]))[message.id].message == message
        listed = await store.messages(ACCOUNT, MessageFilter(), 50)
        assert [found.extras for found, _ in reversed(listed)] == [EXTRAS, {}, *({"n": n} for n in range(20))]
        (owed,) = await store.due_callbacks(HOST, ACCOUNT, NOON, 10)
        assert owed.message == full

    # --- media
    async def test_media_are_found_in_their_places_and_one_by_one(self, store: Store) -> None:
        message, other = a_message(), a_message()
        media = [a_medium(message, place) for place in range(12)]
        came_in = a_medium(other, url=None, content_type="image/png", size=3)
        await store.commit(a_change(media=[*reversed(media), came_in]))
        assert await store.media(message.id) == media
        assert await store.media(other.id) == [came_in]
        assert await store.media(an_id()) == []
        assert await store.medium(media[3].id) == media[3]
        assert await store.medium(an_id()) is None

    async def test_the_last_word_on_a_medium_wins(self, store: Store) -> None:
        medium = a_medium(a_message())
        fetched = msgspec.structs.replace(medium, content_type="image/png", size=9, updated_at=NOON + 1)
        await asyncio.gather(
            store.commit(a_change(media=[medium, msgspec.structs.replace(medium, size=1)])),
            store.commit(a_change(media=[fetched])),
        )
        assert await store.medium(medium.id) == fetched
        again = msgspec.structs.replace(fetched, size=10)
        await store.commit(a_change(media=[again]))
        assert await store.media(medium.message_id) == [again]

    async def test_content_comes_back_octet_by_octet(self, store: Store) -> None:
        medium, other = an_id(), an_id()
        large = os.urandom(5 << 20)
        assert await store.content(medium) is None
        await store.put_content(medium, large)
        await store.put_content(other, b"")
        assert await store.content(medium) == large
        assert await store.content(other) == b""
        await store.put_content(medium, bytes(range(256)))
        assert await store.content(medium) == bytes(range(256))

    async def test_a_medium_is_dropped_with_its_content_and_no_other_is(self, store: Store) -> None:
        message = a_message()
        media = [a_medium(message, place) for place in range(3)]
        await store.commit(a_change(media=media[:2]))
        for medium in media:
            await store.put_content(medium.id, b"content")
        # Dropped it is, even where a row for it arrives in the same batch.
        await store.commit(a_change(media=[media[2]], dropped_media=[(media[0].id,), (media[2].id,)]))
        assert await store.media(message.id) == [media[1]]
        assert [await store.content(medium.id) for medium in media] == [None, b"content", None]
        await store.commit(a_change(dropped_media=[(an_id(),)]))

    # --- taken away
    async def test_a_redaction_leaves_the_text_nowhere_and_all_else_where_it_was(self, store: Store) -> None:
        message, other = a_message(body=SECRET), a_message(body="other")
        for one in (message, other):
            await store.commit(told(one))
        untouched = await everything(store, other)
        assert (await everything(store, message)).count(SECRET) == 12
        standing = taken_away(message, redacted_at=NOON + 1)
        await store.commit(a_change(redacted=[(message.id,)], standings=[standing]))

        assert SECRET not in await everything(store, message)
        assert await everything(store, other) == untouched
        assert await store.message(ACCOUNT, message.id) == (msgspec.structs.replace(message, body=""), standing)
        assert [event.detail for event in await store.events(message.id)] == [{"carrier": "main"}]
        (receipt,) = await store.receipts(message.id)
        assert (receipt.raw, receipt.receipt) == ("", {"word": "DELIVRD", "ids": ["7"], "notes": ["odd"]})
        (post,) = await store.attempts(ACCOUNT, key_of(a_callback(message)))
        expected = attempt_of(message, "POST", body="", response_body="")
        assert post == msgspec.structs.replace(expected, id=post.id)
        (get,) = await store.attempts(ACCOUNT, key_of(a_callback(message, target=Target.ACCOUNT)))
        assert (get.url, get.response_headers, get.response, get.error) == (
            "https://app.example.com/hook",
            "",
            500,
            11200,
        )

    async def test_what_a_query_says_goes_and_what_is_told_without_it_stays(self, store: Store) -> None:
        message = a_message(body=SECRET)
        plain = attempt_of(
            message, "GET", url="https://app.example.com/hook", response_headers="Server: a", detail="500"
        )
        await store.commit(created(message))
        await store.commit(a_change(attempts=[plain], redacted=[(message.id,)]))
        (kept,) = await store.attempts(ACCOUNT, key_of(a_callback(message)))
        assert kept == msgspec.structs.replace(plain, response_body="")

    async def test_a_redaction_counts_for_all_of_its_batch(self, store: Store) -> None:
        message = a_message(body=SECRET)
        changes = [
            told(message),
            a_change(redacted=[(message.id,)], standings=[taken_away(message, redacted_at=NOON)]),
            a_change(receipts=[a_receipt_of(message)], attempts=[attempt_of(message, "POST")]),
        ]
        await asyncio.gather(*map(store.commit, changes))
        assert SECRET not in await everything(store, message)
        assert len(await store.receipts(message.id)) == 2

    async def test_what_comes_later_brings_the_text_of_a_redacted_message_no_more(self, store: Store) -> None:
        message, other = a_message(body=SECRET), a_message(body="other")
        parked = msgspec.structs.replace(a_receipt_of(message), message_id=None)
        for one in (message, other):
            await store.commit(told(one))
        await store.commit(a_change(receipts=[parked], parked=[("main", "7", parked.id, NOON)]))
        gone = taken_away(message, redacted_at=NOON)
        await store.commit(a_change(redacted=[(message.id,)], standings=[gone]))

        def late() -> Iterator[Change]:
            yield a_change(matched=[(parked.id, message.id, 1)])
            yield a_change(receipts=[a_receipt_of(message), a_receipt_of(other), a_receipt()])
            yield a_change(attempts=[attempt_of(message, "GET"), attempt_of(other, "GET")])

        for change in late():
            await store.commit(change)
            assert SECRET not in await everything(store, message)
        assert len(await store.receipts(message.id)) == 3
        assert (await store.receipts(other.id))[-1].raw == "other"
        assert (await store.attempts(ACCOUNT, key_of(a_callback(other))))[-1].url.endswith("?Body=other")

    async def test_a_redaction_stays_whatever_becomes_of_the_message(self, store: Store) -> None:
        message = a_message()
        await put(store, message)
        await store.commit(a_change(standings=[taken_away(message, redacted_at=NOON)]))
        # From somebody who had read it before.
        await store.commit(a_change(standings=[taken_away(message, events=7)]))
        found = await store.message(ACCOUNT, message.id)
        assert found is not None
        assert found[1] == taken_away(message, events=7, redacted_at=NOON)
        await store.commit(a_change(standings=[taken_away(message, deleted_at=NOON + 1)]))
        found = await store.message(ACCOUNT, message.id, deleted=True)
        assert found is not None
        assert found[1] == taken_away(message, redacted_at=NOON, deleted_at=NOON + 1)

    async def test_a_message_can_be_taken_away_in_the_batch_that_brings_it(self, store: Store) -> None:
        message = a_message()
        gone = taken_away(message, redacted_at=NOON + 1, deleted_at=NOON + 2)
        await asyncio.gather(store.commit(created(message)), store.commit(a_change(standings=[gone])))
        assert await store.message(ACCOUNT, message.id) is None
        assert await store.message(ACCOUNT, message.id, deleted=True) == (message, gone)

    async def test_a_deleted_message_is_shown_to_those_only_who_ask_for_it(self, store: Store) -> None:
        messages = [a_message() for _ in range(3)]
        await put(store, *messages)
        deleted = messages[1]
        await store.commit(a_change(standings=[taken_away(deleted, redacted_at=NOON, deleted_at=NOON)]))
        assert await store.message(ACCOUNT, deleted.id) is None
        assert await store.message(ACCOUNT, messages[0].id, deleted=True) is not None
        assert await store.message(OTHER, deleted.id, deleted=True) is None
        shown, all_ids = [messages[2].id, messages[0].id], [message.id for message in reversed(messages)]
        for where in (
            MessageFilter(),
            MessageFilter(sender=deleted.sender),
            MessageFilter(recipient=deleted.recipient),
        ):
            for wanted, expected in ((False, shown), (True, all_ids)):
                found = await store.messages(ACCOUNT, msgspec.structs.replace(where, deleted=wanted), 10)
                assert [message.id for message, _ in found] == expected
        # Receipts may still come for it.
        assert (await store.kept([deleted.id]))[deleted.id].standing.deleted_at == NOON
