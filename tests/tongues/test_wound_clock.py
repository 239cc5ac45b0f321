"""A clock that is wound: whatever waits for gateway time comes at once.

No test waits longer than `WAIT`, and whatever it winds to would come later than that.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import pytest
from twilio.rest import Client

from tests.tongues.house import ACCOUNT, SENDER, WAIT, Got, House, ac, served
from tidings.clock import SECOND, SystemClock, instant, micros
from tidings.gateway.rates import QueueSettings
from tidings.settings import development

T = TypeVar("T")

DELIVERED, SILENT, LATE = "+15551230200", "+15551230202", "+15551230204"
MINUTE: Final = timedelta(minutes=1)


class Desk:
    """An application that sends with Twilio's client, and winds the clock."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.callback = house.application.url + "/status"
        self._client = Client(ac(ACCOUNT.id), ACCOUNT.auth_token)
        self._client.api.base_url = self._client.messaging.base_url = house.url

    async def do(self, act: Callable[[Client], T]) -> T:
        return await asyncio.to_thread(act, self._client)

    async def send(self, to: str, **given: Any) -> str:
        """The SID of a new message."""
        usual = {"from_": SENDER, "body": "hello", "status_callback": self.callback}
        made = await self.do(lambda client: client.messages.create(to=to, **(usual | given)))
        return str(made.sid)

    async def wind(self, advance: str) -> None:
        async with self.house.http() as http:
            answer = await http.post("/v1/clock", json={"advance": advance})
        assert answer.status_code == 200, answer.text

    async def own(self, path: str) -> Any:
        """What our own API says there."""
        async with self.house.http() as http:
            answer = await http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def probe_in(self) -> float:
        """Seconds until the host's breaker lets a probe through; 0 while it is not open."""
        for host in (await self.own("/v1/callbacks/hosts"))["hosts"]:
            if host["state"] == "open":
                return (micros(datetime.fromisoformat(host["probe_at"])) - self.house.gateway.clock.now()) / SECOND
        return 0.0

    async def told(self, sid: str, *statuses: str) -> None:
        """Wait until the application was told just these of a message, however often each."""

        def of_it(got: list[Got]) -> list[str]:
            return list(dict.fromkeys(g.form["MessageStatus"] for g in got if g.form["MessageSid"] == sid))

        got = await self.house.application.until(lambda got: len(of_it(got)) >= len(statuses), "/status")
        assert of_it(got) == list(statuses)

    async def asked(self, times: int) -> None:
        """Wait until the application has had so many requests, and the gateway has kept what came of them."""
        await self.house.application.until(lambda got: len(got) >= times)
        async with asyncio.timeout(WAIT):
            while sum([one["attempts"] for one in (await self.own("/v1/callbacks"))["callbacks"]]) < times:
                pass  # over HTTP, it has to be asked


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house)


async def test_a_receipt_that_takes_half_a_minute_comes_at_once(desk: Desk) -> None:
    sid = await desk.send(LATE)
    await desk.told(sid, "sent")
    await desk.wind("30s")
    await desk.told(sid, "sent", "delivered")


async def test_a_failed_callback_is_told_when_its_retry_has_come_due(desk: Desk) -> None:
    desk.house.application.broken = True
    sid = await desk.send(SILENT)
    for round_ in range(1, 6):  # the first pauses are short
        await desk.asked(round_)
        await desk.wind("1h")
    await desk.asked(6)
    (failing,) = (await desk.own("/v1/callbacks"))["callbacks"]
    assert failing["state"] == "retrying"
    desk.house.application.broken = False
    await desk.wind("1h")
    await desk.asked(7)
    await desk.told(sid, "sent")
    (told,) = (await desk.own("/v1/callbacks"))["callbacks"]
    assert (told["state"], told["attempts"]) == ("done", 7)


async def test_a_callback_that_is_never_taken_is_given_up_in_the_end(desk: Desk) -> None:
    desk.house.application.broken = True
    await desk.send(SILENT)
    await desk.asked(1)
    await desk.wind("30d")
    await desk.asked(2)
    (given_up,) = (await desk.own("/v1/callbacks"))["callbacks"]
    assert given_up["state"] == "given_up"


async def test_an_open_breaker_lets_its_probe_through_and_then_all_others(desk: Desk) -> None:
    desk.house.application.broken = True
    sids = [await desk.send(SILENT) for _ in range(5)]
    async with asyncio.timeout(WAIT):
        while await desk.probe_in() < WAIT:  # each probe that fails doubles the pause
            await desk.wind("1m")
    had = len(desk.house.application.got)
    desk.house.application.broken = False
    await desk.wind("10m")
    await desk.asked(had + len(sids))
    assert sorted(got.form["MessageSid"] for got in desk.house.application.got[had:]) == sorted(sids)


async def test_a_message_of_which_nothing_is_heard_becomes_unknown(desk: Desk) -> None:
    sid = await desk.send(SILENT)
    await desk.told(sid, "sent")
    assert (await desk.own(f"/v1/messages/{sid}"))["delivery_unknown"] is None
    await desk.wind("59m")
    assert (await desk.own(f"/v1/messages/{sid}"))["delivery_unknown"] is None
    await desk.wind("2m")
    message = await desk.own(f"/v1/messages/{sid}")
    assert (message["status"], message["delivery_unknown"]) == ("sent", "no_receipt")


async def test_a_schedule_fires(desk: Desk) -> None:
    def made(client: Client) -> str:
        service = client.messaging.v1.services.create(friendly_name="all")
        (number,) = client.incoming_phone_numbers.list(phone_number=SENDER)
        service.phone_numbers.create(phone_number_sid=number.sid or "")
        return service.sid or ""

    service = await desk.do(made)
    later = instant(desk.house.gateway.clock.now()) + timedelta(hours=71)
    sid = await desk.send(
        DELIVERED, from_=None, messaging_service_sid=service, send_at=later, schedule_type="fixed"
    )
    await desk.wind("70h")
    assert (await desk.do(lambda client: client.messages(sid).fetch())).status == "scheduled"
    await desk.wind("2h")
    await desk.told(sid, "queued", "sent", "delivered")
    sent = (await desk.do(lambda client: client.messages(sid).fetch())).date_sent
    assert sent is not None
    assert timedelta(0) <= sent - later <= timedelta(hours=1) + MINUTE


async def test_a_validity_ends_while_its_message_waits_for_others(tmp_path: Path) -> None:
    slow = msgspec.structs.replace(development(), queues=QueueSettings(long_code=0.001))
    async with served(tmp_path, slow) as house:
        desk = Desk(house)
        first = await desk.send(DELIVERED)
        await desk.told(first, "sent", "delivered")
        waiting, expiring = await desk.send(DELIVERED), await desk.send(DELIVERED, validity_period=600)
        await desk.wind("11m")
        await desk.told(expiring, "failed")
        failed = await desk.do(lambda client: client.messages(expiring).fetch())
        assert (failed.status, failed.error_code) == ("failed", 30036)
        await desk.wind("10m")
        await desk.told(waiting, "sent", "delivered")


async def test_after_a_restart_nothing_happens_before_what_has_happened(tmp_path: Path) -> None:
    async with served(tmp_path) as house:
        desk = Desk(house)
        await desk.wind("72h")
        sid = await desk.send(SILENT)
        await desk.told(sid, "sent")
        latest = micros((await desk.do(lambda client: client.messages(sid).fetch())).date_updated)
    async with served(tmp_path) as house:
        desk = Desk(house)
        assert house.gateway.clock.now() >= latest
        assert (await desk.own("/v1/clock"))["ahead"] > 71 * 3600
        await desk.wind("2h")
        assert (await desk.own(f"/v1/messages/{sid}"))["delivery_unknown"] == "no_receipt"
    assert SystemClock().now() < latest
