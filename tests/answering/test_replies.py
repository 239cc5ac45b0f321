"""Replies become orders: what they are filled up with, and who is stopped from going on for ever."""

from typing import Any, cast

import msgspec
import pytest

from tidings.answering.effects import Replied, Reply
from tidings.answering.replies import APART, MOST_IN_A_ROW, PAIRS, LoopGuard, Replies
from tidings.callbacks.attempt import Telling
from tidings.clock import SECOND, WindableClock
from tidings.errors import Problem
from tidings.gateway.submit import Submitted
from tidings.lifecycle import Kind, Status
from tidings.model import Account, Direction, Event, IdempotencyKey, Message, Order, Standing, Target
from tidings.store.base import Store
from tidings.text import Encoding

NOON = 1_790_000_000 * SECOND
ACCOUNT = Account("0a" * 16, "", "token", 0)
SOURCE = "https://user:secret@app.example.com/sms/in?a=1"
HANDSET, NUMBER = "+15551230000", "+15005550006"


class Keys:
    """Of a store, the idempotency keys."""

    def __init__(self, *known: str) -> None:
        self._known = known

    async def idempotency_key(self, account: str, key: str) -> IdempotencyKey | None:
        return IdempotencyKey(account, key, "", "1" * 32, NOON) if key in self._known else None


class Taken:
    """A gateway that takes every order down."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.repeated = False
        self.body: str | None = None
        self.redacted_at: int | None = None

    async def submit(self, account: Account, order: Order) -> Submitted:
        assert account is ACCOUNT
        self.orders.append(order)
        body = order.body if self.body is None else self.body
        message = msgspec.structs.replace(INBOUND, id="2" * 32, body=body)
        standing = Standing(message.id, Status.QUEUED, 1, NOON, redacted_at=self.redacted_at)
        return Submitted(message, standing, self.repeated)


INBOUND = Message(
    "1" * 32,
    ACCOUNT.id,
    "twilio",
    Direction.INBOUND,
    HANDSET,
    NUMBER,
    "hello",
    Encoding.GSM7,
    1,
    None,
    None,
    NOON,
)


class Conversation:
    def __init__(self, *known: str, guard: LoopGuard | None = None, **changes: Any) -> None:
        message = msgspec.structs.replace(INBOUND, **changes)
        event = Event(message.id, 2, ACCOUNT.id, NOON, Kind.RECEIVED, Status.RECEIVED, True, True, 0, None, {})
        telling = Telling(message, event, Target.WEBHOOK, ACCOUNT, NOON, 0)
        self.gateway = Taken()
        self.remarks: list[tuple[int | None, str]] = []
        store = cast(Store, Keys(*known))  # nothing else of a store is asked
        guard = guard or LoopGuard(WindableClock(lambda: NOON))
        self.replies = Replies(
            telling, self.gateway.submit, store, guard, lambda code, text: self.remarks.append((code, text))
        )

    async def send(self, *reply: Reply) -> Replied:
        for one in reply:
            replied = await self.replies.send(one, SOURCE)
        return replied


async def test_a_reply_goes_back_the_way_the_message_came() -> None:
    conversation = Conversation()
    assert await conversation.send(Reply("hi")) == Replied("2" * 32, None)
    assert conversation.gateway.orders == [
        Order(
            "twilio",
            NUMBER,
            HANDSET,
            "hi",
            idempotency_key="reply 0 to " + "1" * 32,
            direction=Direction.OUTBOUND_REPLY,
        )
    ]
    assert conversation.remarks == []


async def test_a_reply_says_all_that_its_document_says() -> None:
    reply = Reply(
        "hi",
        media=("a.png", "//cdn.example.com/b.png", "https://c.example.com/c.png"),
        recipient="+15551230009",
        sender="12345",
        callback_url="/status#rt=500",
        tags=("a",),
        region="eu",
    )
    conversation = Conversation()
    await conversation.send(reply)
    (order,) = conversation.gateway.orders
    assert (order.sender, order.recipient) == ("12345", "+15551230009")
    assert order.callback_url == "https://user:secret@app.example.com/status#rt=500"
    assert order.media == (
        "https://user:secret@app.example.com/sms/a.png",
        "https://cdn.example.com/b.png",
        "https://c.example.com/c.png",
    )
    assert order.extras == {"tags": ["a"], "region": "eu"}


async def test_replies_are_told_apart_by_their_places_also_where_one_was_refused() -> None:
    conversation = Conversation()
    await conversation.send(Reply("one"), Reply("two", media=("ftp://a.example/",)), Reply("three"))
    keys = [order.idempotency_key for order in conversation.gateway.orders]
    assert keys == [f"reply {place} to {'1' * 32}" for place in (0, 2)]


@pytest.mark.parametrize(
    ("dialect", "validity"),
    [("twilio", None), ("signalwire_compat", 14_400), ("signalwire_rest", None)],
)
async def test_a_reply_may_wait_as_long_as_other_messages_of_its_dialect(
    dialect: str, validity: int | None
) -> None:
    conversation = Conversation(dialect=dialect)
    await conversation.send(Reply("hi"))
    (order,) = conversation.gateway.orders
    assert (order.dialect, order.validity) == (dialect, validity)


async def test_the_application_s_status_callback_is_for_replies_that_name_none() -> None:
    conversation = Conversation(callback_url="https://app.example.com/all")
    await conversation.send(
        Reply("one"), Reply("two", callback_url="own"), Reply("three", callback_url="ftp://a.example/")
    )
    urls = [order.callback_url for order in conversation.gateway.orders]
    assert urls == ["https://app.example.com/all", "https://user:secret@app.example.com/sms/own", None]
    assert [code for code, _ in conversation.remarks] == [21609]


@pytest.mark.parametrize("url", ["ftp://a.example/a.png", "http://[x", "data:image/png;base64,AA=="])
async def test_media_that_nobody_can_fetch_are_not_sent(url: str) -> None:
    conversation = Conversation()
    assert await conversation.send(Reply("hi", media=(url,))) == Replied(None, 21620)
    assert conversation.gateway.orders == []
    ((code, text),) = conversation.remarks
    assert code == 21620
    assert url in text


@pytest.mark.parametrize(
    ("before", "redacted_at", "remarks"), [("other words", None, 1), ("hi", None, 0), ("", NOON, 0)]
)
async def test_a_repeated_reply_with_another_text_is_spoken_of(
    before: str, redacted_at: int | None, remarks: int
) -> None:
    conversation = Conversation()
    conversation.gateway.repeated = True
    conversation.gateway.body, conversation.gateway.redacted_at = before, redacted_at
    assert await conversation.send(Reply("hi")) == Replied("2" * 32, None)
    assert [code for code, _ in conversation.remarks] == [None] * remarks


# --- machines that answer each other
class Guarded:
    def __init__(self) -> None:
        self.clock = WindableClock(lambda: NOON)
        self.guard = LoopGuard(self.clock)

    def sent(self, count: int, apart: int = 0) -> None:
        for _ in range(count):
            self.clock.wind(apart)
            assert not self.guard.refuses(NUMBER, HANDSET)
            self.guard.sent(NUMBER, HANDSET)


def test_so_many_in_a_row_and_then_none_until_it_is_quiet_for_a_while() -> None:
    guarded = Guarded()
    guarded.sent(MOST_IN_A_ROW, APART - 1)
    guarded.clock.wind(APART - 1)
    assert guarded.guard.refuses(NUMBER, HANDSET)
    guarded.clock.wind(1)
    guarded.sent(MOST_IN_A_ROW)
    assert guarded.guard.refuses(NUMBER, HANDSET)


def test_those_that_are_apart_go_on_for_ever() -> None:
    Guarded().sent(10 * MOST_IN_A_ROW, APART)


def test_each_pair_and_each_direction_counts_for_itself() -> None:
    guarded = Guarded()
    guarded.sent(MOST_IN_A_ROW)
    assert guarded.guard.refuses(NUMBER, HANDSET)
    assert not guarded.guard.refuses(HANDSET, NUMBER)
    assert not guarded.guard.refuses(NUMBER, "+15551230009")


def test_the_pairs_of_long_ago_are_forgotten() -> None:
    guarded = Guarded()
    guarded.sent(MOST_IN_A_ROW)
    for number in range(PAIRS):
        guarded.guard.sent(NUMBER, f"+1555{number:07}")
    assert not guarded.guard.refuses(NUMBER, HANDSET)
    assert len(guarded.guard._rows) == PAIRS


async def test_what_was_sent_before_is_repeated_whatever_the_guard_says_and_does_not_count() -> None:
    guarded = Guarded()
    guarded.sent(MOST_IN_A_ROW - 1)
    key = "reply 0 to " + "1" * 32
    again = Conversation(key, guard=guarded.guard)
    again.gateway.repeated = True
    assert await again.send(Reply("hi")) == Replied("2" * 32, None)
    guarded.sent(1)
    again = Conversation(key, guard=guarded.guard)
    again.gateway.repeated = True
    assert await again.send(Reply("hi"), Reply("more")) == Replied(None, 14107)
    assert [order.body for order in again.gateway.orders] == ["hi"]


async def test_a_reply_that_the_gateway_refuses_does_not_count() -> None:
    guarded = Guarded()
    guarded.sent(MOST_IN_A_ROW - 1)
    conversation = Conversation(guard=guarded.guard)

    async def refuse(account: Account, order: Order) -> Submitted:
        raise Problem(21610, value=order.recipient)

    conversation.replies._submit = refuse
    assert await conversation.send(Reply("hi")) == Replied(None, 21610)
    guarded.sent(1)
    assert guarded.guard.refuses(NUMBER, HANDSET)
