"""Replies go out once, whatever happens, or are refused, and it is said why: a whole gateway, real sockets."""

import pytest

from tests.answering.desk import DIALECTS, REST, TWILIO, Answer, Desk, Line, says, twiml
from tests.gateway.application import ACCOUNT
from tidings.lifecycle import Status
from tidings.model import CallbackState, Direction, Target
from tidings.store.base import CallbackKey, Change

DONE, GIVEN_UP = CallbackState.DONE, CallbackState.GIVEN_UP
NOT_XML = Answer(body=b"<Response><Message>")


# --- once, whatever happens
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_crash_before_the_outcome_is_kept_repeats_the_conversation_and_no_reply(
    line: Line, desk: Desk, dialect: str
) -> None:
    line.site.store.fail = _is_outcome
    await line.answered_by(dialect, desk.put("/in", says(dialect, "once")))
    message = await line.hears()
    await line.centre.submission()
    ((reply, _),) = await line.replies()
    await line.site.until(reply.id, Status.SENT)
    line = await line.crashed()
    await line.settled(message)
    first, second = desk.asked
    assert first.token == second.token
    assert [kept.id for kept, _ in await line.replies()] == [reply.id]
    assert len(line.centre.asked) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_stop_breaks_a_conversation_off_and_it_is_held_after_the_start(
    line: Line, desk: Desk, dialect: str
) -> None:
    desk.put("/in", None)
    await line.answered_by(dialect, desk.base + "/in")
    message = await line.hears()
    await desk.until_asked(1)
    await line.site.gateway.stop()
    desk.put("/in", says(dialect, "hi"))
    site = await line.bench.site(line.bench.smpp(line.centre))
    await line.centre.bound()
    line = Line(line.bench, desk, line.centre, site)
    await line.settled(message)
    assert await line.said() == ["hi"]


def _is_outcome(change: Change) -> bool:
    return any(callback.target is Target.WEBHOOK for callback in change.outcomes)


async def test_a_reply_that_cannot_be_kept_is_asked_for_again(line: Line, desk: Desk) -> None:
    failures = iter([True])

    def fails(change: Change) -> bool:
        replied = any(message.direction is Direction.OUTBOUND_REPLY for message in change.messages)
        return replied and next(failures, False)

    line.site.store.fail = fails
    desk.put("/in", twiml("<Message>one</Message><Message>two</Message>"))
    await line.answered_by(TWILIO, desk.base + "/in")
    message = await line.hears()
    await line.settled(message)
    first, second = await line.attempts(message)
    assert (first.response, first.error, second.error) == (200, 11200, None)
    assert "in the gateway" in first.detail
    assert await line.said() == ["one", "two"]
    await line.centre.submission(2)
    assert len(line.centre.asked) == 2


async def test_a_reply_that_was_sent_is_not_sent_with_another_text(line: Line, desk: Desk) -> None:
    desk.put(
        "/in",
        twiml("<Message>first words</Message><Redirect>next</Redirect>"),
        twiml("<Message>second thoughts</Message><Redirect>next</Redirect>"),
    )
    desk.put("/next", Answer(500), twiml("<Message>bye</Message>"))
    await line.answered_by(TWILIO, desk.base + "/in")
    message = await line.hears()
    await line.settled(message)
    assert await line.said() == ["first words", "bye"]
    again = (await line.attempts(message))[2]
    assert again.error is None
    assert "was sent before" in again.detail


async def test_a_reply_that_was_deleted_meanwhile_is_not_sent_again(line: Line, desk: Desk) -> None:
    desk.put("/in", twiml("<Message>hi</Message><Redirect>next</Redirect>"))
    desk.put("/next", NOT_XML)
    await line.answered_by(TWILIO, desk.base + "/in")
    message = await line.hears()
    callback = await line.settled(message, GIVEN_UP)
    await line.centre.receipt(await line.centre.submission())
    ((reply, _),) = await line.replies()
    await line.site.gateway.delete(ACCOUNT, reply.id)
    desk.put("/next", twiml(""))
    await line.site.gateway.replay_one(ACCOUNT, CallbackKey(message, callback.number, Target.WEBHOOK))
    done = await line.settled(message)
    assert done.error is None
    assert await line.replies() == []
    assert len(line.centre.asked) == 1


async def test_what_was_redacted_meanwhile_is_asked_about_without_its_text(line: Line, desk: Desk) -> None:
    desk.put("/in", Answer(500))
    await line.answered_by(TWILIO, desk.base + "/in")
    message = await line.hears("secret")
    await desk.until_asked(1)
    await line.site.gateway.redact(ACCOUNT, message)
    desk.put("/in", twiml(""))
    await line.settled(message)
    assert (desk.asked[0].params["Body"], desk.asked[-1].params["Body"]) == ("secret", "")


# --- replies that are refused
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_stop_reaches_whoever_answers_and_the_reply_to_it_is_refused(
    line: Line, desk: Desk, dialect: str
) -> None:
    await line.answered_by(dialect, desk.put("/in", says(dialect, "are you sure?")))
    message = await line.hears("STOP")
    callback = await line.settled(message)
    assert (callback.state, callback.error) == (DONE, None)
    (asked,) = desk.asked
    assert (asked.json["message"]["body"] if dialect == REST else asked.params["Body"]) == "STOP"
    (attempt,) = await line.attempts(message)
    assert attempt.error == 21610
    assert "opted out" in attempt.detail
    assert "are you sure?" not in await line.said(), "only the gateway itself answers them"
    await line.settled(await line.hears("START"))
    assert (await line.said()).count("are you sure?") == 1


async def test_an_account_that_is_not_active_sends_no_replies(line: Line, desk: Desk) -> None:
    await line.account(active=False)
    await line.answered_by(TWILIO, desk.put("/in", twiml("<Message>hi</Message>")))
    message = await line.hears()
    await line.settled(message)
    (attempt,) = await line.attempts(message)
    assert attempt.error == 20005
    assert await line.replies() == []


REFUSALS = {
    "another's number": ('<Message from="+15559999999">x</Message>', 21606),
    "no number": ('<Message to="nobody">x</Message>', 21211),
    "to itself": ('<Message to="+15005550006">x</Message>', 21211),
    "media that no carrier takes": ("<Message><Media>a.png</Media></Message>", 21621),
    "media without a host": ("<Message><Media>http://[x</Media></Message>", 21620),
    "media elsewhere than on the web": ("<Message><Media>file:///etc/passwd</Media></Message>", 21620),
}


@pytest.mark.parametrize(("inside", "code"), REFUSALS.values(), ids=REFUSALS)
async def test_a_reply_that_is_refused_is_noted_and_the_next_one_is_sent(
    line: Line, desk: Desk, inside: str, code: int
) -> None:
    await line.answered_by(TWILIO, desk.put("/in", twiml(f"{inside}<Message>next</Message>")))
    message = await line.hears()
    callback = await line.settled(message)
    assert (callback.state, callback.error) == (DONE, None)
    (attempt,) = await line.attempts(message)
    assert attempt.error == code
    assert await line.said() == ["next"]


async def test_a_reply_whose_status_cannot_be_told_is_sent_all_the_same(line: Line, desk: Desk) -> None:
    await line.answered_by(TWILIO, desk.put("/in", twiml('<Message statusCallback="http://[x">hi</Message>')))
    message = await line.hears()
    await line.settled(message)
    ((reply, _),) = await line.replies()
    assert reply.callback_url is None
    (attempt,) = await line.attempts(message)
    assert attempt.error == 21609


async def test_two_machines_that_answer_each_other_are_stopped_for_half_a_minute(line: Line, desk: Desk) -> None:
    await line.answered_by(TWILIO, desk.put("/in", twiml("<Message>I am away</Message>")))
    for _ in range(15):
        await line.settled(await line.hears("I am away, too"))
    message = await line.hears("I am away, too")
    await line.settled(message)
    (attempt,) = await line.attempts(message)
    assert attempt.error == 14107
    await line.settled(await line.hears("me, too", source="+15551230009"))
    assert len(await line.replies()) == 16, "to another number it goes on"
    line.bench.wind(31)
    await line.settled(await line.hears("Back again"))
    assert len(await line.replies()) == 17
