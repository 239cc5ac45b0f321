"""What becomes of a conversation that does not go well: the fallback URL, the next round, what is kept of it."""

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.answering.desk import COMPAT, DIALECTS, REST, TWILIO, Answer, Answers, Desk, Line, says, swml, twiml
from tests.gateway.application import ACCOUNT, RECIPIENT
from tidings.answering import conversation
from tidings.arranged import Handler, Handling
from tidings.callbacks import breaker
from tidings.callbacks.connection import MAX_BODY
from tidings.clock import SECOND
from tidings.dialects.markup import MAX_DOCUMENTS, MAX_REPLIES
from tidings.dialects.twilio_monitor import alert_json
from tidings.model import CallbackState, Target
from tidings.store.base import CallbackKey

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench

DONE, GIVEN_UP, RETRYING = CallbackState.DONE, CallbackState.GIVEN_UP, CallbackState.RETRYING
HOUR = 3600 * SECOND
NOT_XML = Answer(body=b"<Response><Message>")
NOT_JSON = Answer(kind="application/json", body=b'{"reply": ')
TOO_LONG = twiml(f"<!-- {'x' * MAX_BODY} -->")
HTML = Answer(kind="image/png", body=b"\x89PNG")


@pytest.fixture
def nobody() -> Iterator[str]:
    """The URL of a port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


# --- the fallback URL
FAULTS: list[tuple[str, str, "Answers", int]] = [
    ("an error", TWILIO, Answer(500), 11200),
    ("an error", COMPAT, Answer(500), 11217),
    ("an error", REST, Answer(500), 11217),
    ("not found", TWILIO, Answer(404), 11200),
    ("not found", COMPAT, Answer(404), 11217),
    ("not found", REST, Answer(404), 11217),
    ("silence", TWILIO, None, 11203),
    ("silence", COMPAT, None, 11200),
    ("silence", REST, None, 11200),
    ("no document", TWILIO, NOT_XML, 12100),
    ("no document", COMPAT, NOT_XML, 12100),
    ("no document", REST, NOT_JSON, 12100),
    ("another root", TWILIO, Answer(body=b"<Reply/>"), 12102),
    ("another root", COMPAT, Answer(body=b"<Reply/>"), 12102),
    ("two entries", REST, swml({"reply": "a", "receive": {}}), 12200),
    ("too long", TWILIO, TOO_LONG, 11750),
    ("too long", COMPAT, TOO_LONG, 11750),
    ("too long", REST, swml({"reply": "x" * MAX_BODY}), 11750),
    ("nothing", TWILIO, Answer(), 12100),
    ("nothing", COMPAT, Answer(), 12100),
    ("nothing without a type", COMPAT, Answer(204, ""), 12100),
    ("nothing", REST, Answer(kind="application/json"), 12100),
    ("another type", TWILIO, HTML, 12300),
    ("another type", COMPAT, HTML, 12300),
    ("another type", COMPAT, Answer(kind="text/plain", body=b"hi"), 12300),
    ("another type", REST, twiml("<Message>hi</Message>"), 12300),
]


@pytest.mark.parametrize(
    ("dialect", "answer", "code"), [fault[1:] for fault in FAULTS], ids=[f"{f[1]} {f[0]}" for f in FAULTS]
)
async def test_the_fallback_url_is_asked_where_the_first_one_has_no_good_answer(
    line: Line, desk: Desk, dialect: str, answer: Answers, code: int
) -> None:
    desk.put("/in", answer)
    desk.put("/fallback", says(dialect, "sorry"))
    first = f"{desk.base}/in?a=1"
    await line.answered_by(dialect, f"{first}#rt=100", fallback_url=desk.base + "/fallback")
    message = await line.hears()
    callback = await line.settled(message)
    assert (callback.state, callback.attempts, callback.error) == (DONE, 2, None)
    assert desk.paths == ["/in", "/fallback"]
    assert await line.said() == ["sorry"]
    asked = desk.asked[1]
    assert asked.signed(dialect)
    if dialect == REST:
        assert asked.json == desk.asked[0].json
    else:
        assert asked.params == desk.asked[0].params | {"ErrorCode": str(code), "ErrorUrl": first}
    failed, taken = await line.attempts(message)
    assert (failed.error, taken.error) == (code, None)
    assert failed.detail or code in (11200, 11217), "what an answer was refused for is said"


@pytest.mark.parametrize(("dialect", "code"), [(TWILIO, "11202"), (COMPAT, "11200")])
async def test_the_fallback_url_is_asked_where_nobody_listens(
    line: Line, desk: Desk, nobody: str, dialect: str, code: str
) -> None:
    desk.put("/fallback", says(dialect, "sorry"))
    await line.answered_by(
        dialect,
        nobody.replace("//", "//user:secret@") + "/in",
        fallback_url=desk.base + "/fallback",
        fallback_method="GET",
    )
    message = await line.hears()
    await line.settled(message)
    (asked,) = desk.asked
    assert asked.method == "GET"
    assert asked.params["ErrorCode"] == code
    assert asked.params["ErrorUrl"] == nobody.replace("//", "//***@") + "/in", "no secret of the other URL"
    assert await line.said() == ["sorry"]
    tried = await line.attempts(message)
    assert len(tried) == (3 if dialect == TWILIO else 2), "Twilio tries a connection twice, SignalWire once"


async def test_what_an_answer_leads_to_fails_as_the_answer_would(line: Line, desk: Desk) -> None:
    desk.put("/in", twiml("<Message>one</Message><Redirect>next</Redirect>"))
    desk.put("/next", twiml("<Message>two</Message><Redirect>last</Redirect>"))
    desk.put("/last", NOT_XML)
    desk.put("/fallback", twiml("<Message>three</Message>"))
    await line.answered_by(TWILIO, desk.base + "/in", fallback_url=desk.base + "/fallback")
    message = await line.hears()
    await line.settled(message)
    params = desk.asked[3].params
    assert (params["ErrorCode"], params["ErrorUrl"]) == ("12100", desk.base + "/last")
    assert await line.said() == ["one", "two", "three"]
    assert [attempt.error for attempt in await line.attempts(message)] == [None, None, 12100, None]


@pytest.mark.parametrize("target", ["ftp://a.example/", "http://[x", "https://"])
async def test_a_url_in_a_document_that_cannot_be_called_is_a_fault_of_that_document(
    line: Line, desk: Desk, target: str
) -> None:
    desk.put("/in", twiml(f"<Redirect>{target}</Redirect>"))
    desk.put("/fallback", twiml(""))
    await line.answered_by(TWILIO, desk.base + "/in", fallback_url=desk.base + "/fallback")
    message = await line.hears()
    await line.settled(message)
    assert desk.asked[1].params["ErrorCode"] == "11100"
    failed, _ = await line.attempts(message)
    assert failed.error == 11100
    assert target in failed.detail


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_fragment_of_a_url_says_how_long_to_wait_and_goes_nowhere(
    line: Line, desk: Desk, dialect: str
) -> None:
    desk.put("/in", None)
    url = desk.base + "/in?a=1#rt=150&tt=9000&zz=1"
    await line.answered_by(
        dialect, url, method="GET", fallback_url=desk.put("/fallback", says(dialect, "sorry")) + "#rt=5000"
    )
    message = await line.hears()
    await line.settled(message)
    assert all("#" not in asked.url and asked.signed(dialect) for asked in desk.asked)
    failed, _ = await line.attempts(message)
    assert 150_000 <= failed.elapsed < 5_000_000
    assert failed.detail.endswith("ignored in the fragment of the URL: zz=1")


async def test_twilio_s_overrides_have_a_url_asked_more_than_once_before_the_fallback_url(
    line: Line, desk: Desk
) -> None:
    desk.put("/in", Answer(500), Answer(503), twiml("<Message>hi</Message>"))
    desk.put("/fallback", twiml(""))
    await line.answered_by(TWILIO, desk.base + "/in#rc=2&rp=5xx", fallback_url=desk.base + "/fallback")
    await line.settled(await line.hears())
    assert desk.paths == ["/in", "/in", "/in"]
    assert len({asked.token for asked in desk.asked}) == 1
    assert await line.said() == ["hi"]


# --- the next round
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_it_is_held_again_until_somebody_answers(line: Line, desk: Desk, dialect: str) -> None:
    desk.put("/in", Answer(500), Answer(503), says(dialect, "at last"))
    desk.put("/fallback", Answer(500))
    await line.answered_by(dialect, desk.base + "/in", fallback_url=desk.base + "/fallback")
    message = await line.hears()
    callback = await line.settled(message)
    assert desk.paths == ["/in", "/fallback", "/in", "/fallback", "/in"]
    assert (callback.attempts, callback.response) == (5, 200)
    attempts = await line.attempts(message)
    assert [attempt.ordinal for attempt in attempts] == [1, 2, 3, 4, 5]
    assert await line.said() == ["at last"]


async def test_a_host_that_asks_to_wait_is_left_alone_until_then(line: Line, desk: Desk) -> None:
    desk.put("/in", Answer(503, headers={"Retry-After": "90"}))
    await line.answered_by(TWILIO, desk.base + "/in")
    callback = await line.settled(await line.hears(), RETRYING)
    assert 90 * SECOND <= callback.due_at - callback.owed_since < 100 * SECOND


async def test_410_ends_it(line: Line, desk: Desk) -> None:
    desk.put("/in", Answer(410))
    await line.answered_by(TWILIO, desk.base + "/in")
    callback = await line.settled(await line.hears(), GIVEN_UP)
    assert (callback.attempts, callback.response) == (1, 410)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_answer_that_cannot_be_used_is_not_asked_for_again_until_somebody_says_so(
    line: Line, desk: Desk, dialect: str
) -> None:
    desk.put("/in", NOT_JSON if dialect == REST else NOT_XML)
    await line.answered_by(dialect, desk.base + "/in")
    message = await line.hears()
    callback = await line.settled(message, GIVEN_UP)
    assert (callback.attempts, callback.response, callback.error) == (1, 200, 12100)
    desk.put("/in", says(dialect, "mended"))
    key = CallbackKey(message, callback.number, Target.WEBHOOK)
    await line.site.gateway.replay_one(ACCOUNT, key)
    done = await line.settled(message)
    assert (done.attempts, done.response, done.error) == (2, 200, None)
    assert await line.said() == ["mended"]
    assert desk.asked[0].token == desk.asked[1].token


async def test_as_long_as_one_of_the_two_urls_may_have_an_answer_it_is_held_again(line: Line, desk: Desk) -> None:
    desk.put("/in", Answer(500), twiml("<Message>back</Message>"))
    desk.put("/fallback", NOT_XML)
    await line.answered_by(TWILIO, desk.base + "/in", fallback_url=desk.base + "/fallback")
    await line.settled(await line.hears())
    desk.put("/in", NOT_XML)
    desk.put("/fallback", Answer(500), twiml("<Message>back again</Message>"))
    await line.settled(await line.hears())
    assert await line.said() == ["back", "back again"]
    desk.put("/fallback", NOT_XML)
    callback = await line.settled(await line.hears(), GIVEN_UP)
    assert callback.attempts == 2


async def test_nobody_waits_for_ever(line: Line, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "LONGEST", 0.3)
    desk.put("/in", twiml("<Redirect>slow</Redirect>"), twiml("<Message>hi</Message>"))
    desk.put("/slow", None)
    await line.answered_by(TWILIO, desk.base + "/in")
    message = await line.hears()
    callback = await line.settled(message)
    assert callback.response == 200
    first, second = await line.attempts(message)
    assert (first.error, second.error) == (11200, None)
    assert "longer than" in first.detail
    assert await line.said() == ["hi"]


# --- limits
async def test_documents_that_lead_in_a_circle_are_left_after_some(line: Line, desk: Desk) -> None:
    await line.answered_by(TWILIO, desk.put("/in", twiml("<Redirect>in</Redirect>")))
    message = await line.hears()
    await line.settled(message)
    assert len(desk.asked) == MAX_DOCUMENTS
    assert (await line.attempts(message))[-1].error == 14106


async def test_more_replies_than_may_be_are_not_sent(line: Line, desk: Desk) -> None:
    await line.answered_by(TWILIO, desk.put("/in", twiml("<Message>x</Message>" * (MAX_REPLIES + 1))))
    message = await line.hears()
    await line.settled(message)
    assert len(await line.replies()) == MAX_REPLIES
    (attempt,) = await line.attempts(message)
    assert attempt.error == 14109


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_nobody_inside_is_asked(bench: "Bench", desk: Desk, dialect: str) -> None:
    bench.callbacks = {"allow_private": False, "durable": False}
    centre, site = await bench.pair()
    line = Line(bench, desk, centre, site)
    await line.answered_by(dialect, desk.put("/in", says(dialect, "hi")), fallback_url=desk.base + "/in")
    callback = await line.settled(await line.hears(), GIVEN_UP)
    assert (callback.attempts, callback.error) == (2, 11200)
    assert desk.asked == []


# --- what is kept, and whom it concerns
async def test_what_went_wrong_is_an_alert(line: Line, desk: Desk) -> None:
    desk.put("/in", Answer(500), NOT_XML)
    await line.answered_by(TWILIO, desk.base + "/in")
    message = await line.hears()
    await line.settled(message, GIVEN_UP)
    found = await line.site.store.failed_attempts(ACCOUNT, 0, 2**62, 10)
    alerts = [alert_json(attempt, "https://us.example") for attempt in found]
    assert [(alert["error_code"], alert["request_url"]) for alert in alerts] == [
        ("12100", desk.base + "/in"),
        ("11200", desk.base + "/in"),
    ]
    assert {alert["resource_sid"] for alert in alerts} == {"SM" + message}
    assert "not+well-formed" in alerts[0]["alert_text"]


async def test_a_host_is_not_blamed_for_those_that_its_answers_lead_to(
    bench: "Bench", desk: Desk, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "SHORTEST_PAUSE", HOUR)
    bench.callbacks = {"durable": False}
    centre, site = await bench.pair()
    line = Line(bench, desk, centre, site)
    await line.answered_by(TWILIO, desk.put("/in", twiml(f"<Redirect>{nobody}/</Redirect>")))
    for _ in range(2 * breaker.TRIPS_AFTER):
        await line.settled(await line.hears(), GIVEN_UP)
    assert len(desk.asked) == 2 * breaker.TRIPS_AFTER


async def test_a_host_that_does_not_answer_is_left_alone(
    bench: "Bench", desk: Desk, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "SHORTEST_PAUSE", HOUR)
    bench.callbacks = {"durable": False}
    centre, site = await bench.pair()
    line = Line(bench, desk, centre, site)
    desk.put("/in", Answer(500))
    await line.answered_by(TWILIO, desk.base + "/in", fallback_url=nobody)
    for _ in range(breaker.TRIPS_UNPROVEN_AFTER):
        await line.settled(await line.hears(), GIVEN_UP)
    (report,) = [line.site.gateway.delivery._report(f"webhook:{desk.base}", 0)]
    assert report.failures == breaker.TRIPS_UNPROVEN_AFTER


async def test_a_script_that_cannot_be_used_is_told_of_and_holds_up_no_other(
    line: Line, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "SHORTEST_PAUSE", HOUR)
    await line.answered_by(REST, None, script='{"reply": {"body": "hi"}, "receive": {}}')
    for _ in range(2 * breaker.TRIPS_AFTER):
        message = await line.hears()
        callback = await line.settled(message, GIVEN_UP)
    assert (callback.attempts, callback.error) == (1, 12200)
    (attempt,) = await line.attempts(message)
    assert (attempt.method, attempt.url, attempt.response, attempt.error) == ("SCRIPT", "script:", None, 12200)
    assert "swml_invalid_document" in attempt.detail
    await line.answered_by(REST, None, script="reply: hello")
    await line.settled(await line.hears())
    assert await line.said() == ["hello"]


async def test_a_script_that_cannot_be_used_has_a_fallback_url(line: Line, desk: Desk) -> None:
    await line.handled(
        Handling(
            handler=Handler.SWML,
            dialect=REST,
            script="reply: [",
            fallback_url=desk.put("/fallback", says(REST, "sorry")),
        )
    )
    message = await line.hears()
    await line.settled(message)
    script, asked = await line.attempts(message)
    assert (script.error, asked.error) == (12100, None)
    assert desk.asked[0].json["message"]["from"] == RECIPIENT
    assert await line.said() == ["sorry"]
