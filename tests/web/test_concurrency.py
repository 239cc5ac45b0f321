"""How many requests of an account are answered at once: requests are held open by a store that does not answer."""

import socket
import threading
from asyncio import Future, get_running_loop
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send
from twilio.base.exceptions import TwilioRestException

from tests.web.description import DESCRIPTION, described
from tidings.errors import Problem
from tidings.ids import dashed
from tidings.model import ApiKey
from tidings.store.base import Change, StoreError
from tidings.web.app import build
from tidings.web.crowd import Crowd

if TYPE_CHECKING:
    from tests.web.conftest import Server, Site

WAIT = 10.0
LIMIT = 2
ACCOUNT, OTHER = "0a" * 16, "0b" * 16
MESSAGES = f"/2010-04-01/Accounts/AC{ACCOUNT}/Messages"
FORM = {"To": "+15551230000", "From": "+15005550006", "Body": "Hello"}


class SlowStore:
    """Holds the commits of a site's store back until it is told to let them through."""

    def __init__(self, site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
        self._site = site
        self._commit = site.store.commit
        self._came = threading.Semaphore(0)
        self._held: list[tuple[Change, Future[None]]] = []
        monkeypatch.setattr(site.store, "commit", self._hold)

    def _hold(self, change: Change) -> "Future[None]":
        held: Future[None] = get_running_loop().create_future()
        self._held.append((change, held))
        self._came.release()
        return held

    def until_held(self, number: int) -> None:
        """Until so many more commits wait."""
        for _ in range(number):
            assert self._came.acquire(timeout=WAIT), "no request came as far as to commit"

    def let_through(self, number: int | None = None) -> None:
        """The ones that wait longest, or all."""
        through, self._held = self._held[:number], self._held[number:] if number else []

        async def commit() -> None:
            for change, held in through:
                await self._commit(change)
                held.set_result(None)

        self._site.run(commit())

    def break_down(self) -> None:
        """Fail what waits."""
        broken, self._held = self._held, []

        async def fail() -> None:
            for _, held in broken:
                held.set_exception(StoreError("the disk is full"))

        self._site.run(fail())


@pytest.fixture
def limited(site: "Site", web_server: "Server") -> "Site":
    """A site that answers two requests of an account at once."""
    site.concurrency = LIMIT
    web_server.app = build(site)
    return site


@pytest.fixture
def slow(limited: "Site", monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowStore]:
    slow = SlowStore(limited, monkeypatch)
    yield slow
    slow.let_through()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def post(site: "Site", number: int = 0) -> httpx.Response:
    return site.http().post(f"{MESSAGES}.json", data=FORM | {"Body": str(number)}, timeout=WAIT)


def fetch(site: "Site") -> httpx.Response:
    return site.http().get(f"{MESSAGES}.json")


# --- Twilio's API


def test_one_too_many_is_told_to_come_again_and_nothing_was_done(
    limited: "Site", slow: SlowStore, pool: ThreadPoolExecutor
) -> None:
    held = [pool.submit(post, limited, number) for number in range(LIMIT)]
    slow.until_held(LIMIT)
    refused = post(limited, 17)
    assert (refused.status_code, refused.json()["code"]) == (429, 20429)
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["Twilio-Concurrent-Requests"] == str(LIMIT)
    assert len(limited.orders) == LIMIT
    with pytest.raises(TwilioRestException) as caught:
        limited.client().messages.create(to=FORM["To"], from_=FORM["From"], body="Hello")
    assert (caught.value.status, caught.value.code) == (429, 20429)
    slow.let_through()
    assert [one.result(WAIT).status_code for one in held] == [201] * LIMIT
    assert sorted(message["body"] for message in fetch(limited).json()["messages"]) == ["0", "1"]


def test_each_answer_makes_room_for_one(limited: "Site", slow: SlowStore, pool: ThreadPoolExecutor) -> None:
    held = [pool.submit(post, limited)]
    slow.until_held(1)
    held.append(pool.submit(post, limited))
    slow.until_held(1)
    for _ in range(3):
        assert fetch(limited).status_code == 429
        slow.let_through(1)
        assert held.pop(0).result(WAIT).status_code == 201
        assert fetch(limited).headers["Twilio-Concurrent-Requests"] == "2"
        held.append(pool.submit(post, limited))
        slow.until_held(1)
    slow.let_through()
    assert [one.result(WAIT).status_code for one in held] == [201] * LIMIT
    assert fetch(limited).headers["Twilio-Concurrent-Requests"] == "1"


def test_an_account_is_told_of_its_own_requests_alone(
    limited: "Site", slow: SlowStore, pool: ThreadPoolExecutor
) -> None:
    held = [pool.submit(post, limited) for _ in range(LIMIT)]
    slow.until_held(LIMIT)
    theirs = limited.other().get(f"{MESSAGES.replace(ACCOUNT, OTHER)}.json")
    assert (theirs.status_code, theirs.headers["Twilio-Concurrent-Requests"]) == (200, "1")
    # Who does not know the token is not told of it, and does not count.
    stranger = limited.http(None).get(f"{MESSAGES}.json")
    assert (stranger.status_code, stranger.headers["Twilio-Concurrent-Requests"]) == (401, "1")
    slow.let_through()
    assert [one.result(WAIT).status_code for one in held] == [201] * LIMIT


def test_a_key_counts_as_its_account(limited: "Site", slow: SlowStore, pool: ThreadPoolExecutor) -> None:
    key = ApiKey("0e" * 16, ACCOUNT, "ci", sha256(b"secret").hexdigest(), 0)
    limited.run(limited.store.put_api_key(key))
    held = [pool.submit(post, limited) for _ in range(LIMIT)]
    slow.until_held(LIMIT)
    assert httpx.get(f"{limited.url}{MESSAGES}.json", auth=("SK" + key.id, "secret")).status_code == 429
    slow.let_through()
    assert [one.result(WAIT).status_code for one in held] == [201] * LIMIT


def test_without_a_limit_all_are_answered(
    site: "Site", web_server: "Server", monkeypatch: pytest.MonkeyPatch, pool: ThreadPoolExecutor
) -> None:
    site.concurrency = 0
    web_server.app = build(site)
    slow = SlowStore(site, monkeypatch)
    held = [pool.submit(post, site, number) for number in range(6)]
    slow.until_held(6)
    assert fetch(site).headers["Twilio-Concurrent-Requests"] == "7"
    slow.let_through()
    assert [one.result(WAIT).status_code for one in held] == [201] * 6


def test_a_request_counts_once_however_often_it_is_looked_at() -> None:
    crowd, one, another = Crowd(1), object(), object()
    crowd.join(one)
    crowd.join(one)
    assert len(crowd) == 1
    with pytest.raises(Problem) as caught:
        crowd.join(another)
    assert caught.value.code == 20429
    crowd.leave(another)
    assert len(crowd) == 1
    crowd.leave(one)
    crowd.join(another)


# --- what ends otherwise than with an answer as it should be


def test_requests_that_fail_leave_their_place(
    limited: "Site", slow: SlowStore, pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    held = [pool.submit(post, limited) for _ in range(LIMIT)]
    slow.until_held(LIMIT)
    slow.break_down()
    assert [one.result(WAIT).status_code for one in held] == [503] * LIMIT
    limited.failure = RuntimeError("a cable came loose")
    assert [post(limited).status_code for _ in range(LIMIT)] == [500] * LIMIT
    for _ in range(LIMIT):
        assert limited.http().get(f"{MESSAGES}/x.json").status_code == 404
    assert fetch(limited).headers["Twilio-Concurrent-Requests"] == "1"


def test_a_client_that_goes_away_leaves_its_place(limited: "Site", web_server: "Server") -> None:
    """It says that there is more to come of its form, and hangs up."""
    waits, ended = threading.Semaphore(0), threading.Event()
    inner = build(limited)

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        reads = False

        async def receive_body() -> Message:
            nonlocal reads
            if not reads:
                reads = True
                waits.release()
            return await receive()

        try:
            await inner(scope, receive_body, send)
        finally:
            if scope["method"] == "POST":
                ended.set()

    web_server.app = watched
    credentials = b64encode(f"AC{ACCOUNT}:token of the first".encode()).decode()
    head = (
        f"POST {MESSAGES}.json HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credentials}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nBody="
    )
    address = httpx.URL(limited.url)
    gone = [socket.create_connection((address.host, address.port or 0), WAIT) for _ in range(LIMIT)]
    for client in gone:
        client.sendall(head.encode())
    for _ in gone:
        assert waits.acquire(timeout=WAIT), "nobody reads the form"
    assert fetch(limited).status_code == 429
    gone[0].close()
    assert ended.wait(WAIT), "nobody noticed that the client went away"
    assert fetch(limited).headers["Twilio-Concurrent-Requests"] == str(LIMIT)
    gone[1].close()


# --- in every dialect

ELSEWHERE = {
    "XML": MESSAGES,
    "our own": "/v1/events",
    "alerts": "/v1/Alerts",
    "compatibility": f"/api/laml/2010-04-01/Accounts/{dashed(ACCOUNT)}/Messages",
    "REST": "/api/messaging/logs",
    "numbers": "/api/relay/rest/phone_numbers",
}


@pytest.mark.parametrize("path", ELSEWHERE.values(), ids=ELSEWHERE)
def test_the_limit_is_for_all_dialects_together(
    limited: "Site", slow: SlowStore, pool: ThreadPoolExecutor, path: str
) -> None:
    held = [pool.submit(post, limited) for _ in range(LIMIT)]
    slow.until_held(LIMIT)
    refused = limited.http().get(path)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    if path in DESCRIPTION["paths"]:
        described(path, refused)
    slow.let_through()
    assert [one.result(WAIT).status_code for one in held] == [201] * LIMIT
    assert limited.http().get(path).status_code == 200


def test_what_is_for_everybody_is_not_counted(limited: "Site", slow: SlowStore, pool: ThreadPoolExecutor) -> None:
    held = [pool.submit(post, limited) for _ in range(LIMIT)]
    slow.until_held(LIMIT)
    assert limited.http().get("/health/live").status_code == 200
    slow.let_through()
    assert [one.result(WAIT).status_code for one in held] == [201] * LIMIT
