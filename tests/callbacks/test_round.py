"""Rounds against a server that does wrong what servers do: which code, how many attempts, and what is kept."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

import pytest
from msgspec.structs import replace
from twilio.request_validator import RequestValidator

from tests.callbacks.faults import OK, Authority, FaultServer, Peer, Script, Serve, answer, answering, serving
from tests.callbacks.tellings import PREVIOUS, SHARED, TOKEN, telling
from tidings.callbacks import forms
from tidings.callbacks.attempt import Outcome, Telling, Terms
from tidings.callbacks.exchange import Response
from tidings.callbacks.round import InProcess, retry_after
from tidings.clock import SECOND, instant
from tidings.ids import floor_id
from tidings.model import Target

TERMS = Terms(
    allow_private=True,
    allow_hosts=(),
    allow_networks=(),
    ports=(),
    connections=64,
    per_host=8,
    user_agent="test",
)
SHORT = "ct=100&rt=100&tt=300"
"""No test need wait longer to see that it is waited."""
WAIT = 5.0


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with serving() as start:
        yield start


@contextlib.asynccontextmanager
async def in_process(terms: Terms = TERMS) -> AsyncIterator[InProcess]:
    rounds = InProcess(terms)
    await rounds.start()
    yield rounds
    await rounds.stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(autouse=True)
def machine(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine trusts but one authority; and SignalWire's own forms are not needed to see its policy."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.setitem(forms._DIALECTS, "signalwire_rest", forms._DIALECTS["twilio"])


@pytest.fixture
async def rounds(machine: None) -> AsyncIterator[InProcess]:
    async with in_process() as made:
        yield made


def calling(
    server: FaultServer | int, fragment: str = "", *, dialect: str = "twilio", scheme: str = "http", **changes: Any
) -> Telling:
    """A telling to a server; `host` may name another than 127.0.0.1, the rest is as in `tellings.telling`."""
    port = server if isinstance(server, int) else server.port
    host = changes.pop("host", "127.0.0.1")
    made = telling(f"{scheme}://{host}:{port}/cb?x=1#{fragment}", **changes)
    return replace(made, message=replace(made.message, dialect=dialect))


def kept(outcome: Outcome) -> tuple[int | None, int | None, int]:
    """Error, status and number of attempts; all but the last attempt must have failed too."""
    assert [attempt.error is None for attempt in outcome.attempts[:-1]] == [False] * (len(outcome.attempts) - 1)
    last = outcome.attempts[-1]
    assert (last.error, last.response) == (outcome.error, outcome.response)
    return outcome.error, outcome.response, len(outcome.attempts)


# What servers do wrong


def saying(data: bytes, ending: Callable[[Peer], Awaitable[None] | None]) -> Script:
    """Read a request, say so much, and end in some way."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(data)
        await peer.writer.drain()
        if waiting := ending(peer):
            await waiting

    return script


async def drip(peer: Peer) -> None:
    await peer.request()
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000:
        peer.send(bytes((byte,)))
        await asyncio.sleep(0.01)  # the dripping itself is what is tested


async def hold(peer: Peer) -> None:
    await peer.until_closed()


HALF_HEAD = b"HTTP/1.1 200 OK\r\nX: "
HALF_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
FAULTS: dict[str, Script] = {
    "hangs": hold,
    "hangs in the head": saying(HALF_HEAD, hold),
    "hangs in the body": saying(HALF_BODY, hold),
    "drips": drip,
    "closes": saying(b"", Peer.close),
    "resets": saying(b"", Peer.reset),
    "closes in the head": saying(HALF_HEAD, Peer.close),
    "closes in the body": saying(HALF_BODY, Peer.close),
    "garbage": answering(b"garbage\r\n\r\n"),
    "huge head": answering(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000),
    "interim only": saying(PROCESSING, Peer.close),
    "interim first": answering(PROCESSING + OK),
    "huge body": answering(answer(200, body=b"x" * 1_000_000)),
    "404": answering(answer(404)),
    "503": answering(answer(503, body=b"busy")),
    "304": answering(answer(304)),
    "in circles": answering(answer(307, "Location: /cb?x=1")),
    "on and on": answering(*(answer(307, f"Location: /{n}") for n in range(12))),
    "to a private address": answering(answer(307, "Location: http://169.254.169.254/")),
    "to a name that is none": answering(answer(307, "Location: http://nowhere.invalid/")),
    "nowhere": answering(answer(302)),
    "401 unknown": answering(answer(401, "WWW-Authenticate: Negotiate")),
}


@pytest.mark.parametrize(
    ("fault", "fragment", "error", "response", "attempts", "detail"),
    [
        ("hangs", SHORT, 11203, None, 1, "no response in time"),
        ("hangs", "rt=100&rp=rt&rc=2", 11203, None, 3, "no response in time"),
        ("hangs", "rt=100&rp=ct,4xx,5xx&rc=2", 11203, None, 1, "no response in time"),
        ("hangs", "rt=15000&tt=100&rp=all&rc=5", 11203, None, 1, "too long altogether"),
        ("hangs in the head", f"{SHORT}&rp=all", 11203, None, 1, "fell silent"),
        ("hangs in the body", f"{SHORT}&rp=all", 11203, None, 1, "fell silent"),
        ("drips", "tt=300&rp=all", 11203, None, 1, "too long altogether"),
        ("closes", "", 11200, None, 1, "closed before any response"),
        ("closes", "rp=rt", 11200, None, 2, "closed before any response"),
        ("resets", "rp=all&rc=3", 11200, None, 4, "closed before any response"),
        ("closes in the head", "rp=all", 11200, None, 1, "before the response was whole"),
        ("closes in the body", "rp=all", 11200, None, 1, "before the response was whole"),
        ("garbage", "rp=all", 11206, None, 1, "not an HTTP/1.1 response"),
        ("huge head", "rp=all", 11206, None, 1, "headers are longer"),
        ("interim only", "rp=all", 11200, None, 1, "before the response was whole"),
        ("interim first", "", None, 200, 1, ""),
        ("huge body", "", None, 200, 1, ""),
        ("404", "", 11200, 404, 1, ""),
        ("404", "rp=4xx&rc=5", 11200, 404, 6, ""),
        ("404", "rp=5xx,ct,rt&rc=5", 11200, 404, 1, ""),
        ("503", "", 11200, 503, 1, ""),
        ("503", "rp=5xx", 11200, 503, 2, ""),
        ("503", "rp=4xx", 11200, 503, 1, ""),
        ("503", "rp=all&rc=0", 11200, 503, 1, ""),
        ("503", "rp=5xx&rc=6", 11200, 503, 2, "ignored in the fragment of the URL: rc=6"),
        ("304", "rp=all", 11200, 304, 1, ""),
        ("in circles", "rp=all", 11215, 307, 1, "redirects in a loop"),
        ("on and on", "rp=all", 11215, 307, 1, "more than 10 redirects"),
        ("to a private address", "rp=all", 11200, None, 1, "redirected to http://169.254.169.254/; 169.254"),
        ("to a name that is none", "rp=all", 11210, None, 1, "redirected to http://nowhere.invalid/; nowhere"),
        ("nowhere", "rp=all", 11200, 302, 1, ""),
        ("401 unknown", "", 11200, 401, 1, ""),
    ],
)
async def test_twilio_round(
    serve: Serve,
    rounds: InProcess,
    fault: str,
    fragment: str,
    error: int | None,
    response: int | None,
    attempts: int,
    detail: str,
) -> None:
    server = await serve(FAULTS[fault])
    outcome = await rounds.make(calling(server, fragment))
    assert kept(outcome) == (error, response, attempts)
    for attempt in outcome.attempts:
        assert detail in attempt.detail if detail else attempt.detail == ""
        assert attempt.connected is not None
        assert 0 <= attempt.connected <= (attempt.first_byte or attempt.elapsed) <= attempt.elapsed


@pytest.mark.parametrize(
    ("fault", "fragment", "error", "response", "attempts"),
    [
        ("hangs", "ot=100&rt=100&tt=2000", 11200, None, 3),
        ("hangs in the body", "rt=100", 11200, None, 3),
        ("resets", "", 11200, None, 3),
        ("garbage", "", 11251, None, 3),
        ("404", "", 11217, 404, 3),
        ("503", "rc=5", 11217, 503, 3),
        ("304", "", 11200, 304, 3),
        ("in circles", "", 11215, 307, 3),
        ("to a name that is none", "", 11210, None, 3),
        ("huge body", "", None, 200, 1),
    ],
)
async def test_signalwire_round(
    serve: Serve, rounds: InProcess, fault: str, fragment: str, error: int, response: int, attempts: int
) -> None:
    server = await serve(FAULTS[fault])
    outcome = await rounds.make(calling(server, fragment, dialect="signalwire_rest"))
    assert kept(outcome) == (error, response, attempts)


@pytest.mark.parametrize(
    ("fault", "error", "response"),
    [
        ("interim first", None, 200),
        ("503", 11200, 503),
        ("404", 11200, 404),
        ("in circles", 11200, 307),
        ("garbage", 11206, None),
        ("resets", 11200, None),
    ],
)
async def test_account_wide_round_is_one_attempt(
    serve: Serve, rounds: InProcess, fault: str, error: int | None, response: int | None
) -> None:
    server = await serve(FAULTS[fault])
    outcome = await rounds.make(calling(server, "rp=all&rc=5", target=Target.ACCOUNT))
    assert kept(outcome) == (error, response, 1)
    assert (outcome.attempts[0].target, len(server.requests)) == (Target.ACCOUNT, 1)


@pytest.mark.parametrize(
    ("fragment", "dialect", "target", "error", "attempts"),
    [
        ("", "twilio", Target.MESSAGE, 11202, 2),
        ("rc=5", "twilio", Target.MESSAGE, 11202, 6),
        ("rc=0", "twilio", Target.MESSAGE, 11202, 1),
        ("rp=4xx,5xx,rt", "twilio", Target.MESSAGE, 11202, 1),
        ("", "signalwire_rest", Target.MESSAGE, 11200, 3),
        ("rc=5", "twilio", Target.ACCOUNT, 11202, 1),
    ],
)
async def test_nobody_listening_is_refused(
    rounds: InProcess, fragment: str, dialect: str, target: Target, error: int, attempts: int
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        outcome = await rounds.make(calling(port, fragment, dialect=dialect, target=target))
    assert kept(outcome) == (error, None, attempts)
    for attempt in outcome.attempts:
        assert (attempt.connected, attempt.first_byte) == (None, None)
        assert "refused" in attempt.detail


async def test_host_that_takes_no_connections_is_a_connect_timeout(rounds: InProcess) -> None:
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(2):  # fill its line, so that the kernel answers no further one
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        outcome = await rounds.make(calling(full.getsockname()[1], "ct=100&tt=2000&rc=2"))
    assert kept(outcome) == (11201, None, 3)


async def test_total_time_is_that_of_all_attempts(serve: Serve, rounds: InProcess) -> None:
    server = await serve(hold)
    outcome = await rounds.make(calling(server, "rt=100&tt=400&rp=rt&rc=5"))
    assert outcome.error == 11203
    assert 2 <= len(outcome.attempts) <= 4  # of six
    spans = [(attempt.at, attempt.at + attempt.elapsed) for attempt in outcome.attempts]
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert 0.4 * SECOND <= spans[-1][1] - spans[0][0] < WAIT * SECOND


async def test_retry_that_is_taken_ends_the_round(serve: Serve, rounds: InProcess) -> None:
    server = await serve(answering(answer(503, "Retry-After: 7"), answer(500), answer(204)))
    outcome = await rounds.make(calling(server, "rc=5&rp=5xx"))
    assert [attempt.response for attempt in outcome.attempts] == [503, 500, 204]
    assert [attempt.error for attempt in outcome.attempts] == [11200, 11200, None]
    assert (outcome.response, outcome.error, outcome.retry_after) == (204, None, None)
    tokens = {line for request in server.requests for line in request.split(b"\r\n") if b"I-Twilio" in line}
    assert len(tokens) == 1


@pytest.mark.parametrize("challenge", ["Basic realm=r", 'Digest realm="r", nonce="n", qop="auth"'])
async def test_credentials_are_given_within_one_attempt(serve: Serve, rounds: InProcess, challenge: str) -> None:
    server = await serve(answering(answer(401, f"WWW-Authenticate: {challenge}"), OK))
    outcome = await rounds.make(calling(server, host="user:pass%3Aword@127.0.0.1"))
    assert kept(outcome) == (None, 200, 1)
    [attempt] = outcome.attempts
    assert attempt.detail == f"answered a {challenge.split()[0]} challenge"
    assert attempt.url == f"http://user:pass%3Aword@127.0.0.1:{server.port}/cb?x=1"
    assert "Authorization" not in attempt.headers
    assert b"Authorization" in server.requests[1]


# TLS


async def hang_in_handshake(peer: Peer) -> None:
    await peer.reader.readexactly(1)
    peer.send(b"\x16\x03\x03")  # a handshake record, and never its length
    await peer.until_closed()


async def cut_handshake(peer: Peer) -> None:
    await peer.reader.readexactly(1)


@pytest.mark.parametrize("sni", ["y", "n"])
@pytest.mark.parametrize(
    ("names", "days", "trusted", "error", "signalwire_error"),
    [
        (("localhost",), (-1, 1), True, None, None),
        (("localhost",), (-2, -1), True, 11236, 11220),
        (("other.example",), (-1, 1), True, 11235, 11220),
        (("localhost",), (-1, 1), False, 11237, 11220),
    ],
)
async def test_bad_certificate_is_called_by_its_fault(
    serve: Serve,
    rounds: InProcess,
    authority: Authority,
    stranger: Authority,
    sni: str,
    names: tuple[str, ...],
    days: tuple[int, int],
    trusted: bool,
    error: int | None,
    signalwire_error: int | None,
) -> None:
    context = (authority if trusted else stranger).server(*names, days=days)
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    server = await serve(answering(OK), tls=context)
    made = calling(server, f"sni={sni}", scheme="https", host="localhost")
    outcome = await rounds.make(made)
    assert set(asked) == {"localhost" if sni == "y" else None}
    other = await rounds.make(replace(made, message=replace(made.message, dialect="signalwire_rest")))
    if error is None:
        assert kept(outcome) == kept(other) == (None, 200, 1)
    else:
        assert (kept(outcome), kept(other)) == ((error, None, 2), (signalwire_error, None, 3))
        assert server.requests == []


@pytest.mark.parametrize(
    ("script", "error", "attempts"),
    [
        (hold, 11201, 2),
        (hang_in_handshake, 11201, 2),
        (cut_handshake, 11220, 2),
        (answering(OK), 11201, 2),  # it waits for a line that TLS never says
        (saying(b"", Peer.close), 11201, 2),
    ],
)
async def test_handshake_that_fails_is_retried_like_a_connection(
    serve: Serve, rounds: InProcess, script: Script, error: int, attempts: int
) -> None:
    outcome = await rounds.make(calling(await serve(script), "ct=100", scheme="https"))
    assert kept(outcome) == (error, None, attempts)
    assert outcome.attempts[0].connected is None


async def test_hanging_after_the_handshake_is_a_read_timeout(
    serve: Serve, rounds: InProcess, authority: Authority
) -> None:
    server = await serve(hold, tls=authority.server("127.0.0.1"))
    outcome = await rounds.make(calling(server, SHORT, scheme="https"))
    assert kept(outcome) == (11203, None, 1)
    assert outcome.attempts[0].connected is not None


# Rotated auth tokens


def validating(token: str, refusal: int) -> Script:
    """Refuses what is not signed with `token`, by Twilio's own validator."""

    async def script(peer: Peer) -> None:
        while True:
            head, _, body = (await peer.request()).decode().partition("\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
            url = f"http://{headers['Host']}{head.split()[1]}"
            params = dict(parse_qsl(body, keep_blank_values=True))
            good = RequestValidator(token).validate(url, params, headers["X-Twilio-Signature"])
            peer.send(answer(204) if good else answer(refusal))

    return script


def rotated(made: Telling, seconds: int = 1) -> Telling:
    """The previous token is good for so long after the telling."""
    return replace(made, account=replace(made.account, previous_until=made.at + seconds * SECOND))


@pytest.mark.parametrize("refusal", [400, 401, 403])
async def test_in_the_overlap_a_refusal_is_answered_with_the_previous_token(
    serve: Serve, rounds: InProcess, refusal: int
) -> None:
    server = await serve(validating(PREVIOUS, refusal))
    outcome = await rounds.make(rotated(calling(server, "rc=0")))
    assert [attempt.response for attempt in outcome.attempts] == [refusal, 204]
    first, second = outcome.attempts
    assert first.headers != second.headers
    assert first.body == second.body


@pytest.mark.parametrize(
    ("refusal", "token", "seconds", "fragment", "responses"),
    [
        (403, TOKEN, 1, "", [204]),
        (403, PREVIOUS, 0, "", [403]),
        (404, PREVIOUS, 1, "", [404]),
        (403, "neither", 1, "", [403, 403]),
        (403, "neither", 1, "rc=1&rp=4xx", [403, 403, 403, 403]),
    ],
)
async def test_previous_token_is_used_in_no_other_case(
    serve: Serve, rounds: InProcess, refusal: int, token: str, seconds: int, fragment: str, responses: list[int]
) -> None:
    server = await serve(validating(token, refusal))
    outcome = await rounds.make(rotated(calling(server, fragment), seconds))
    assert [attempt.response for attempt in outcome.attempts] == responses


@pytest.mark.parametrize("changes", [{"shared_keys": (SHARED,)}, {"target": Target.ACCOUNT}])
async def test_what_no_auth_token_signs_is_not_signed_with_the_previous_one(
    serve: Serve, rounds: InProcess, changes: dict[str, Any]
) -> None:
    server = await serve(answering(answer(403)))
    outcome = await rounds.make(rotated(calling(server, **changes)))
    assert kept(outcome) == (11200, 403, 1)


# Retry-After


NOW = instant(1_790_000_000 * SECOND)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0),
        ("7", 7 * SECOND),
        ("86400", 86400 * SECOND),
        ("9" * 4000, 10**9 * SECOND),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90 * SECOND),
        (format_datetime((NOW + timedelta(seconds=90)).astimezone(UTC)), 90 * SECOND),
        (f"{NOW + timedelta(minutes=2):%A, %d-%b-%y %H:%M:%S} GMT", 120 * SECOND),  # RFC 850
        (f"{NOW + timedelta(minutes=2):%a %b %d %H:%M:%S %Y}", 120 * SECOND),  # asctime
        (format_datetime(NOW, usegmt=True), 0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("Mon, 99 Foo 2026 00:00:00 GMT", None),
        ("Mon, 21 Sep 2026 00:00:00 +" + "9" * 40, None),
        ("caf\xe9", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str | None, expected: int | None) -> None:
    headers = [] if value is None else [(b"RETRY-After", value.encode("latin-1"))]
    assert retry_after(Response(503, headers, b"", 0.1), 1_790_000_000 * SECOND) == expected


@pytest.mark.parametrize("status", [429, 503, 302])
async def test_retry_after_is_handed_on_with_a_failure(serve: Serve, rounds: InProcess, status: int) -> None:
    server = await serve(answering(answer(status, "Retry-After: 120")))
    assert (await rounds.make(calling(server))).retry_after == 120 * SECOND


async def test_date_is_counted_from_the_time_of_the_telling(serve: Serve, rounds: InProcess) -> None:
    made = telling()
    date = format_datetime((instant(made.at) + timedelta(seconds=100)).replace(microsecond=0), usegmt=True)
    outcome = await rounds.make(calling(await serve(answering(answer(503, f"Retry-After: {date}")))))
    assert outcome.retry_after is not None
    assert 95 * SECOND < outcome.retry_after <= 100 * SECOND


# What is kept


async def test_attempt_is_kept_as_it_was_made(serve: Serve, rounds: InProcess) -> None:
    body = "naïve 😀 ".encode() + b"\x00\xff" + "ü".encode() * 2000
    server = await serve(answering(answer(503, "X-Long: " + "x" * 5000), answer(200, "X: caf\xe9", body=body)))
    made = replace(calling(server, "rp=5xx"), attempts=4)
    outcome = await rounds.make(made)
    first, second = outcome.attempts
    sent = server.requests[1].decode()

    assert (first.ordinal, second.ordinal) == (5, 6)
    assert made.at <= first.at < first.at + first.elapsed <= second.at < made.at + WAIT * SECOND
    assert floor_id(first.at) <= first.id < second.id
    assert {attempt.message_id for attempt in outcome.attempts} == {made.message.id}
    assert {(attempt.number, attempt.target, attempt.account) for attempt in outcome.attempts} == {
        (made.event.number, Target.MESSAGE, made.account.id)
    }
    assert (second.method, second.url) == ("POST", f"http://127.0.0.1:{server.port}/cb?x=1")
    head, _, form = sent.partition("\r\n\r\n")
    assert second.body == form
    assert [line.split(":")[0] for line in second.headers.split("\n")] == [
        "Content-Type",
        "X-Twilio-Signature",
        "I-Twilio-Idempotency-Token",
    ]
    assert set(second.headers.split("\n")) <= set(head.split("\r\n"))
    assert first.response_headers.startswith("X-Long: xxx")
    assert len(first.response_headers) == 4096
    assert second.response_headers == f"X: caf\ufffd\nContent-Length: {len(body)}"
    assert second.response_body == ("naïve 😀 \ufffd\ufffd" + "ü" * 2000)[:1024]


@pytest.mark.parametrize("options", [{"method": "GET"}, {"format": "json"}])
async def test_url_is_kept_with_the_query_that_was_added(
    serve: Serve, rounds: InProcess, options: dict[str, Any]
) -> None:
    server = await serve(answering(OK))
    [attempt] = (await rounds.make(calling(server, "rc=2", **options))).attempts
    method, target, _ = server.requests[0].decode().split(" ", 2)
    assert (attempt.method, attempt.url) == (method, f"http://127.0.0.1:{server.port}{target}")
    assert len(target) > len("/cb?x=1")


# What is ours


async def test_what_cannot_be_composed_is_logged_and_fails(
    serve: Serve, rounds: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve(answering(OK))
    with caplog.at_level(logging.ERROR):
        outcome = await rounds.make(calling(server, dialect="morse"))
    assert outcome == Outcome(None, 11200)
    assert telling().message.id in caplog.text
    assert kept(await rounds.make(calling(server))) == (None, 200, 1)


async def test_attempts_made_before_our_own_failure_are_kept(
    serve: Serve, rounds: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(telling: Telling, previous: bool) -> Any:
        if previous:
            raise RuntimeError("broken")
        return whole(telling, previous)

    whole = forms._DIALECTS["twilio"]
    monkeypatch.setitem(forms._DIALECTS, "twilio", broken)
    outcome = await rounds.make(rotated(calling(await serve(answering(answer(403))))))
    assert (outcome.response, outcome.error) == (None, 11200)
    assert [attempt.response for attempt in outcome.attempts] == [403]


@pytest.mark.parametrize(
    ("change", "reached"),
    [
        ({}, False),
        ({"allow_private": True}, True),
        ({"allow_hosts": ("localhost",)}, True),
        ({"allow_networks": ("127.0.0.0/8", "::1/128")}, True),
        ({"allow_private": True, "ports": (443,)}, False),
    ],
)
async def test_terms_say_what_may_be_reached(serve: Serve, change: dict[str, Any], reached: bool) -> None:
    server = await serve(answering(OK))
    async with in_process(replace(TERMS, **{"allow_private": False, **change})) as rounds:
        outcome = await rounds.make(calling(server, "rp=all&rc=5", host="localhost"))
    if reached:
        assert kept(outcome) == (None, 200, 1)
        assert b"\r\nUser-Agent: test\r\n" in server.requests[0]
    else:
        assert kept(outcome) == (11200, None, 1)
        assert server.connections == 0


async def test_stopping_gives_up_what_is_under_way(serve: Serve) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        reached.set()
        await peer.until_closed()

    reached = asyncio.Event()
    server = await serve(script)
    async with in_process() as rounds:
        under_way = asyncio.create_task(rounds.make(calling(server)))
        await asyncio.wait_for(reached.wait(), WAIT)
    assert kept(await asyncio.wait_for(under_way, WAIT)) == (11200, None, 1)
