"""What proves order, tokens and attempts: each doctored record is found out, and the true one is not."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from tests.crash import journal
from tests.crash.journal import Call, Journal, Kept, Key, Row

TOKEN = "the account's token"
SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
A, B = "a" * 32, "b" * 32
OWED: Mapping[Key, str] = {
    (A, "message", 3): "sent",
    (A, "message", 4): "delivered",
    (A, "account", 3): "sent",
    (B, "message", 3): "sent",
}


def call(place: int, message: str, number: int, answer: int | None, target: str = "message") -> Call:
    """Arrived at `place`, and answered at the next one."""
    key = message, target, number
    return Call(*key, OWED.get(key, "sent"), f"{message}/{number}", place, answer, place + 1 if answer else 0)


def record() -> Journal:
    """A is refused once, and told again of its first event after a kill; B is told meanwhile."""
    return Journal(
        [
            call(0, A, 3, 503),
            call(2, B, 3, 204),
            call(4, A, 3, 204),
            call(7, A, 3, 204),
            call(9, A, 3, 204, "account"),
            call(11, A, 4, None),
            call(12, A, 4, 204),
        ],
        kills=[(6, 6)],
    )


def kept() -> dict[Key, Kept]:
    refused, taken = Row(1, 503, 11200), Row(2, 204, None)
    return {
        (A, "message", 3): Kept("done", 2, [refused, taken]),
        (A, "message", 4): Kept("done", 2, [Row(1, None, 11200), taken]),
        (A, "account", 3): Kept("done", 1, [Row(1, 204, None)]),
        (B, "message", 3): Kept("done", 1, [Row(1, 204, None)]),
    }


def test_a_true_record_passes() -> None:
    journal.check_told(record().calls, OWED)
    journal.check_order(record().calls, OWED)
    journal.check_tokens(record().calls)
    journal.check_attempts(record(), kept(), OWED)


# --- order


def test_an_event_told_again_behind_a_later_one_that_was_accepted_is_found() -> None:
    calls = [*record().calls, call(14, A, 3, 204)]
    with pytest.raises(AssertionError, match="event 3 arrived behind event 4"):
        journal.check_order(calls, OWED)


def test_an_event_told_while_the_one_before_it_is_still_under_way_is_found() -> None:
    first = call(0, A, 3, 204)
    first.answered = 2
    with pytest.raises(AssertionError, match="event 4 arrived before event 3 was taken"):
        journal.check_order([first, call(1, A, 4, 204)], OWED)


@pytest.mark.parametrize("answer", [503, None])
def test_an_event_told_though_the_one_before_it_was_not_taken_is_found(answer: int | None) -> None:
    with pytest.raises(AssertionError, match="event 4 arrived before event 3 was taken"):
        journal.check_order([call(0, A, 3, answer), call(2, A, 4, 204)], OWED)


def test_an_event_told_though_the_one_before_it_was_skipped_is_found() -> None:
    with pytest.raises(AssertionError, match="event 4 arrived before event 3 was taken"):
        journal.check_order([call(0, A, 4, 204)], OWED)


def test_order_is_each_messages_and_each_targets_own() -> None:
    journal.check_order([call(0, A, 3, 204), call(2, A, 4, 204), call(4, A, 3, 204, "account")], OWED)


# --- what was told


def test_an_event_that_was_never_taken_is_found() -> None:
    with pytest.raises(AssertionError, match=r"'message', 4\): never taken"):
        journal.check_told(record().calls[:-1], OWED)


def test_an_event_that_nobody_owes_is_found() -> None:
    with pytest.raises(AssertionError, match="told sent, owed None"):
        journal.check_told([*record().calls, call(14, B, 9, 204)], OWED)


def test_an_event_with_two_tokens_is_found() -> None:
    calls = record().calls
    calls[2].token = "another"
    with pytest.raises(AssertionError, match="has tokens"):
        journal.check_tokens(calls)


def test_a_token_of_two_events_is_found() -> None:
    calls = [call(0, A, 3, 204), call(2, A, 4, 204)]
    calls[1].token = calls[0].token
    with pytest.raises(AssertionError, match="stands for"):
        journal.check_tokens(calls)


# --- what is kept


def lose_a_refusal(kept: dict[Key, Kept]) -> None:
    kept[A, "message", 3] = Kept("done", 1, [Row(1, 204, None)])


def invent_an_answer(kept: dict[Key, Kept]) -> None:
    kept[A, "message", 4].rows[0] = Row(1, 503, 11200)


def give_up(kept: dict[Key, Kept]) -> None:
    kept[A, "message", 4].state = "given_up"


def skip_an_ordinal(kept: dict[Key, Kept]) -> None:
    kept[A, "message", 4].rows[1].ordinal = 3


def take_twice(kept: dict[Key, Kept]) -> None:
    kept[A, "message", 3].rows[0] = Row(1, 204, None)


def keep_none(kept: dict[Key, Kept]) -> None:
    kept[A, "account", 3] = Kept("done", 0)


def forget(kept: dict[Key, Kept]) -> None:
    del kept[A, "account", 3]


@pytest.mark.parametrize(
    "doctor", [lose_a_refusal, invent_an_answer, give_up, skip_an_ordinal, take_twice, keep_none, forget]
)
def test_a_store_that_says_other_than_the_receiver_is_found(doctor: Callable[[dict[Key, Kept]], None]) -> None:
    doctored = kept()
    doctor(doctored)
    with pytest.raises(AssertionError, match="wrong"):
        journal.check_attempts(record(), doctored, OWED)


def test_an_answer_that_is_told_again_without_a_kill_is_missing_where_it_is_not_kept() -> None:
    doctored = record()
    doctored.kills.clear()
    with pytest.raises(AssertionError, match="3 were answered and not under way at a kill, 2 are kept"):
        journal.check_attempts(doctored, kept(), OWED)


# --- signatures


def entries() -> list[dict[str, Any]]:
    """One call of each kind, as `flapping` notes them."""
    host, at = "127.0.0.1:8081", 1_800_000_000
    form = {"MessageSid": f"SM{A}", "MessageStatus": "sent", "TidingsSequence": "3"}
    signature = RequestValidator(TOKEN).compute_signature(f"http://{host}/status?order=1", form)
    body = json.dumps({"data": {"event": {"message_id": A, "number": 3, "status": "sent"}}})
    mac = base64.b64encode(hmac.digest(b"k" * 24, f"t.{at}.{body}".encode(), "sha256")).decode()
    twilio = {"host": host, "x-twilio-signature": signature, "i-twilio-idempotency-token": "t"}
    own = {"host": host, "webhook-id": "t", "webhook-timestamp": str(at), "webhook-signature": f"v1,{mac}"}
    made: dict[str, Any] = {"time": at + 0.5, "mood": "taken"}
    return [
        {"call": 1, **made, "path": "/status?order=1", "headers": twilio, "body": urlencode(form)},
        {"did": "away"},
        {"answered": 1, "status": 204},
        {"did": "back"},
        {"call": 2, **made, "path": journal.EVENTS, "headers": own, "body": body},
    ]


def test_calls_are_read_with_what_they_tell_and_how_they_were_answered() -> None:
    read = journal.read(entries(), TOKEN, SECRET)
    assert read.calls == [
        Call(A, "message", 3, "sent", "t", 0, 204, 2),
        Call(A, "account", 3, "sent", "t", 4),
    ]
    assert read.kills == [(1, 3)]
    journal.check_signed(read.calls)


@pytest.mark.parametrize(
    ("entry", "header", "value"),
    [
        (0, "x-twilio-signature", "AAAA"),
        (0, "host", "127.0.0.1:8082"),
        (4, "webhook-signature", "v1,AAAA"),
        (4, "webhook-id", "another"),
    ],
)
def test_a_wrong_signature_is_found(entry: int, header: str, value: str) -> None:
    doctored = deepcopy(entries())
    doctored[entry]["headers"][header] = value
    with pytest.raises(AssertionError, match="is wrong"):
        journal.check_signed(journal.read(doctored, TOKEN, SECRET).calls)


def test_a_webhook_that_was_signed_long_ago_is_found() -> None:
    doctored = entries()
    doctored[4]["time"] += 3600
    with pytest.raises(AssertionError, match="webhook-timestamp"):
        journal.check_signed(journal.read(doctored, TOKEN, SECRET).calls)
