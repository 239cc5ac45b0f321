"""The conformance suite's second half: what is to be done, receipts, and who may do what."""

import asyncio

import msgspec
import pytest

from tests.store.rows import (
    ACCOUNT,
    NASTY,
    NOON,
    OTHER,
    a_change,
    a_key,
    a_message,
    a_receipt,
    a_segment,
    an_id,
    created,
    put,
    scheduled,
    standing_of,
)
from tidings.arranged import Sender
from tidings.clock import DAY, HOUR
from tidings.lifecycle import SegmentState, Status
from tidings.model import Account, ApiKey, CallbackOptions, SharedKey
from tidings.store.base import Store, StoreError


class QueuesConformance:
    # --- work
    async def test_due_messages_come_oldest_first_for_one_queue(self, store: Store) -> None:
        messages = [a_message(sender="+1500") for _ in range(5)]
        due = [NOON + 3, NOON + 1, NOON + 2, None, NOON + 10]
        for message, at in zip(messages, due, strict=True):
            await put(store, message, due_at=at)
        await put(store, a_message(sender="+1500"), carrier="reserve", due_at=NOON)
        await put(store, a_message(sender="+1500", account=OTHER), a_message(sender="+1501"), due_at=NOON)
        found = [tuple(row) for row in await store.due_messages("main", ACCOUNT, "+1500", NOON + 5, 10)]
        assert found == [(messages[1].id, NOON + 1), (messages[2].id, NOON + 2), (messages[0].id, NOON + 3)]
        first = await store.due_messages("main", ACCOUNT, "+1500", NOON + 5, 1)
        assert [row[0] for row in first] == [messages[1].id]
        assert await store.next_due("main", ACCOUNT, "+1500", NOON + 3) == NOON + 10
        assert await store.next_due("main", ACCOUNT, "+1500", NOON + 10) is None
        for nothing in (("nobody", ACCOUNT, "+1500"), ("main", OTHER, "+1501"), ("main", ACCOUNT, "")):
            assert await store.due_messages(*nothing, NOON + DAY, 10) == []
            assert await store.next_due(*nothing, 0) is None

    async def test_queues_are_named_once_each_whatever_waits_in_them(self, store: Store) -> None:
        assert await store.queues() == []
        expected = [
            ("main", ACCOUNT, "+1500"),
            ("main", ACCOUNT, "+1501"),
            ("main", OTHER, "+1500"),
            ("reserve", ACCOUNT, "+1501"),
            ("reserve", OTHER, ""),
        ]
        for carrier, account, sender in expected:
            waiting = [a_message(sender=sender, account=account) for _ in range(3)]
            await put(store, *waiting, carrier=carrier)
        # What comes due later waits as well; what is done does not, and what is scheduled waits in none.
        await put(store, a_message(sender="+1502"), carrier="last", due_at=NOON + DAY)
        await put(store, a_message(sender="+1503"), carrier="never", due_at=None)
        await store.commit(scheduled(a_message(sender="+1504", send_at=NOON + DAY)))
        found = [tuple(row) for row in await store.queues()]
        assert sorted(found) == sorted([*expected, ("last", ACCOUNT, "+1502")])

    async def test_a_message_that_is_no_longer_due_waits_for_nobody(self, store: Store) -> None:
        message = a_message()
        await put(store, message)
        await store.commit(a_change(standings=[standing_of(message, status=Status.SENDING, due_at=None)]))
        assert await store.due_messages("main", ACCOUNT, message.sender, NOON + DAY, 10) == []
        assert await store.queues() == []

    async def test_a_message_waits_for_another_carrier_once_it_is_moved_there(self, store: Store) -> None:
        message = a_message(sender="+1500")
        await put(store, message)
        await store.commit(a_change(standings=[standing_of(message, carrier="reserve", due_at=NOON + 1)]))
        assert [tuple(queue) for queue in await store.queues()] == [("reserve", ACCOUNT, "+1500")]
        assert await store.next_due("reserve", ACCOUNT, "+1500", NOON) == NOON + 1

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

    async def test_accepted_segments_are_those_that_a_carrier_can_be_asked_about(self, store: Store) -> None:
        ages = [NOON, NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR]
        messages = [a_message(at, sender=f"+150{place}") for place, at in enumerate(ages)]
        await put(store, *messages)
        segments = [
            a_segment(message, state=SegmentState.ACCEPTED, carrier_id=f"id{place}", carrier_key=f"id{place}")
            for place, message in enumerate(messages)
        ]
        segments += [
            a_segment(messages[1], part, state=state)
            for part, state in enumerate(SegmentState, 2)
            if state is not SegmentState.ACCEPTED
        ]
        segments.append(a_segment(messages[1], 99, state=SegmentState.ACCEPTED, carrier="reserve", carrier_id="7"))
        await store.commit(a_change(segments=segments))
        found = await store.accepted_segments("main", NOON + HOUR, NOON + 3 * HOUR, 10)
        assert [tuple(row) for row in found] == [
            (NOON + HOUR, "id1", "+1501"),
            (NOON + 2 * HOUR, "id2", "+1502"),
        ]
        assert len(await store.accepted_segments("main", 0, NOON + DAY, 3)) == 3

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

    # --- keys, accounts
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
        rotated = msgspec.structs.replace(
            account,
            auth_token="new",
            countries=None,
            active=False,
            previous_token="token",
            previous_until=NOON + DAY,
            callbacks=CallbackOptions(
                method="GET",
                format="json",
                shared_keys=(SharedKey("first", NASTY), SharedKey("second", "")),
                numbered=True,
                url="https://app.example.com/all",
                secrets=("whsec_a", "whsec_b"),
            ),
            signing_key="PSK_key",
            dialects=("twilio", "signalwire-rest"),
            test=True,
            short_code_country="CA",
        )
        await store.put_account(rotated)
        assert await store.account(ACCOUNT) == rotated
        assert await store.accounts() == [rotated, other]
        plain = Account(ACCOUNT, NASTY, "new", NOON)
        await store.put_account(plain)
        assert await store.account(ACCOUNT) == plain

    async def test_subscriptions_are_the_accounts_with_an_account_wide_url(self, store: Store) -> None:
        first, second = "https://one.example.com/events", "https://two.example.com/events"
        account = Account(ACCOUNT, "", "token", NOON, callbacks=CallbackOptions(url=first, secrets=("whsec_a",)))
        await store.put_account(account)
        await store.put_account(Account(OTHER, "", "token", NOON, callbacks=CallbackOptions(numbered=True)))
        assert [tuple(row) for row in await store.subscriptions()] == [(ACCOUNT, first)]
        await store.put_account(msgspec.structs.replace(account, callbacks=CallbackOptions(url=second)))
        assert [tuple(row) for row in await store.subscriptions()] == [(ACCOUNT, second)]
        await store.put_account(msgspec.structs.replace(account, callbacks=CallbackOptions()))
        assert await store.subscriptions() == []

    async def test_api_keys_and_senders_belong_to_an_account(self, store: Store) -> None:
        await store.put_account(Account(ACCOUNT, "", "token", NOON))
        await store.put_account(Account(OTHER, "", "token", NOON))
        key = ApiKey("0c" * 16, ACCOUNT, "ci", "hash", NOON)
        await store.put_api_key(key)
        assert await store.api_key(key.id) == key
        assert await store.api_key("0d" * 16) is None
        senders = [Sender("+1500", ACCOUNT, 10, an_id()), Sender("ACME", ACCOUNT, id=an_id())]
        for sender in senders:
            await store.put_sender(sender)
        assert await store.sender("ACME") == senders[1]
        assert await store.sender("acme") is None
        assert await store.senders(ACCOUNT) == senders
        theirs = Sender("ACME", OTHER, 5, an_id())
        await store.put_sender(theirs)
        assert await store.senders(OTHER) == [theirs]
        assert await store.senders(ACCOUNT) == senders[:1]

    async def test_a_sender_of_no_account_is_refused(self, store: Store) -> None:
        with pytest.raises(StoreError):
            await store.put_sender(Sender("+1500", ACCOUNT))
        assert await store.sender("+1500") is None
