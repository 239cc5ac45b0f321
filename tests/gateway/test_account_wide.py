"""The account-wide URL is told of every event of every message, beside each message's own."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.gateway.application import ACCOUNT, WAIT
from tidings.callbacks import delivery, subscriptions
from tidings.lifecycle import Kind
from tidings.model import CallbackOptions, CallbackState, Target

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

SECRETS = tuple("whsec_" + base64.b64encode(bytes([fill]) * 32).decode() for fill in (1, 2))


class Hook:
    """A receiver of Standard Webhooks, which checks them as its specification says."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.status = 204
        self.url = ""
        self._news = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = dict(line.lower().split(": ", 1)[:1] + line.split(": ", 1)[1:] for line in lines[1:-2])
                body = await reader.readexactly(int(headers["content-length"]))
                self._check(headers, body)
                self.ids.append(headers["webhook-id"])
                self.told.append(msgspec.json.decode(body))
                self._news.set()
                self._news = asyncio.Event()
                writer.write(b"HTTP/1.1 %d Said\r\nContent-Length: 0\r\n\r\n" % self.status)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    @staticmethod
    def _check(headers: dict[str, str], body: bytes) -> None:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = {
            "v1,"
            + base64.b64encode(
                hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256)
            ).decode()
            for secret in SECRETS
        }
        assert set(headers["webhook-signature"].split(" ")) == expected

    async def until(self, count: int) -> list[dict[str, Any]]:
        try:
            async with asyncio.timeout(WAIT):
                while len(self.told) < count:
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{count} awaited; it was told {self.told}") from None
        return self.told


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second round after milliseconds, and URLs that are looked up as often."""
    monkeypatch.setattr(delivery, "RETRY_AFTER", (0.01,))
    monkeypatch.setattr(subscriptions, "REFRESH", 0.01)


@pytest.fixture
async def hook(bench: "Bench") -> AsyncIterator[Hook]:
    hook = Hook()
    server = await asyncio.start_server(hook.serve, "127.0.0.1", 0)
    hook.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/events#rc=5"
    bench.options = CallbackOptions(url=hook.url, secrets=SECRETS)
    yield hook
    server.close()


async def test_every_event_is_told_in_order_also_where_no_callback_was_asked_for(
    bench: "Bench", hook: Hook
) -> None:
    centre, site = await bench.pair()
    message = await site.send(callback_url=None)
    asked = await centre.submission()
    asked.accept("id1")
    await site.until_told(message, Kind.ACCEPTED)
    await centre.receipt(asked)
    told = await hook.until(4)
    assert [one["type"] for one in told] == [
        f"message.{kind}" for kind in ("created", "intent", "accepted", "delivered")
    ]
    assert [one["data"]["event"]["number"] for one in told] == [1, 2, 3, 4]
    assert all(one["data"]["message"]["id"] == message for one in told)
    assert [one["timestamp"] for one in told] == [one["data"]["event"]["at"] for one in told]
    assert bench.app.told == []
    await site.until_all_is_told()


async def test_it_is_told_beside_the_message_s_own_and_neither_waits_for_the_other(
    bench: "Bench", hook: Hook
) -> None:
    hook.status = 500
    centre, site = await bench.pair()
    message = await site.send()
    (await centre.submission()).accept("id1")
    await bench.app.hears(message, "sent")
    told = await hook.until(1)
    assert told[0]["type"] == "message.created"
    callback = await site.until_callback(message, CallbackState.RETRYING, Target.ACCOUNT)
    assert (callback.number, callback.response) == (1, 500)
    own = await site.until_callback(message, CallbackState.DONE, Target.MESSAGE)
    assert own.number == 3
    attempts = await site.attempts(callback)
    assert {(attempt.target, attempt.response) for attempt in attempts} == {(Target.ACCOUNT, 500)}


async def test_without_a_url_what_is_owed_is_given_up(bench: "Bench", hook: Hook) -> None:
    hook.status = 500
    _, site = await bench.pair()
    message = await site.send(callback_url=None)
    await site.until_callback(message, CallbackState.RETRYING, Target.ACCOUNT)
    await change(bench, site, CallbackOptions())
    given_up = await site.until_callback(message, CallbackState.GIVEN_UP, Target.ACCOUNT)
    assert given_up.error == 11100


async def test_a_url_that_changes_takes_what_is_owed_along(bench: "Bench", hook: Hook) -> None:
    new = Hook()
    server = await asyncio.start_server(new.serve, "127.0.0.1", 0)
    hook.status = 500
    _, site = await bench.pair()
    message = await site.send(callback_url=None)
    await site.until_callback(message, CallbackState.RETRYING, Target.ACCOUNT)
    new.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/new"
    await change(bench, site, CallbackOptions(url=new.url, secrets=SECRETS))
    told = await new.until(2)
    assert [one["data"]["event"]["number"] for one in told] == [1, 2]
    assert new.ids[0] == hook.ids[0], "the token of an event stays"
    server.close()


async def change(bench: "Bench", site: "Site", options: CallbackOptions) -> None:
    """What `tidings account callbacks` does, after the two seconds that it takes to be seen."""
    account = await site.store.account(ACCOUNT)
    assert account is not None
    await site.store.put_account(msgspec.structs.replace(account, callbacks=options))
    bench.wind(3)
