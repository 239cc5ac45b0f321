"""Twilio's article on message statuses, status by status: reached by real runs of the official client, and told in
the form of its sample callback."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.tongues.house import ACCOUNT, SENDER, Got, House, ac, served
from tidings.clock import SECOND, WindableClock, instant
from tidings.gateway.rates import QueueSettings
from tidings.settings import development

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

SAMPLE: Final = (
    "ErrorCode=21408&SmsSid=SMXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX&SmsStatus=failed&MessageStatus=failed&To=%2B1##########"
    "&MessageSid=SMXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX&AccountSid=ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX&From=%2B1##########"
    "&ApiVersion=2010-04-01"
)
"""The article's sample of a callback, raw."""
FIELDS: Final = [name for name, _ in parse_qsl(SAMPLE)]
LATER: Final = {"RawDlrDoneDate", "MessagingServiceSid"}
"""Fields that Twilio has added since, or adds for services only."""

DELIVERED, SILENT, LATE = "+15551230200", "+15551230202", "+15551230204"
UNKNOWN_NUMBER, REFUSED = "+15551230404", "+15551230500"
HOUR: Final = 3600


class Desk:
    """The official client at a house."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.client = Client(ac(ACCOUNT.id), ACCOUNT.auth_token)
        self.client.api.base_url = self.client.messaging.base_url = house.url
        self.callback = house.application.url + "/status"

    async def do(self, act: Callable[[Client], T]) -> T:
        return await asyncio.to_thread(act, self.client)

    async def send(self, to: str, **given: Any) -> str:
        usual = {"from_": SENDER, "body": "hello", "status_callback": self.callback}
        made = await self.do(lambda client: client.messages.create(to=to, **(usual | given)))
        return str(made.sid)

    async def service(self) -> str:
        """A service whose pool is the one number."""

        def made(client: Client) -> str:
            service = client.messaging.v1.services.create(friendly_name="all", status_callback=self.callback)
            (number,) = client.incoming_phone_numbers.list(phone_number=SENDER)
            service.phone_numbers.create(phone_number_sid=number.sid or "")
            return service.sid or ""

        return await self.do(made)

    async def status(self, sid: str) -> str:
        return str((await self.do(lambda client: client.messages(sid).fetch())).status)

    async def told(self, sid: str, *statuses: str) -> list[Got]:
        """The callbacks of a message, once it was told these statuses: exactly these."""

        def of(found: list[Got]) -> list[Got]:
            return [got for got in found if got.form["MessageSid"] == sid]

        got = of(await self.house.application.until(lambda found: len(of(found)) >= len(statuses), "/status"))
        assert [one.form["MessageStatus"] for one in got] == list(statuses)
        return got

    def wind(self, seconds: float) -> None:
        clock = self.house.gateway.clock
        assert isinstance(clock, WindableClock)
        clock.wind(int(seconds * SECOND))


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house)


def holds_to_the_sample(got: Got, *also: str) -> None:
    """Field by field: the sample's, in its order, each with the form of its value; `also` may be there besides."""
    fields = parse_qsl(got.body.decode(), keep_blank_values=True, strict_parsing=True)
    form = dict(fields)
    erred = form["MessageStatus"] in ("failed", "undelivered")
    expected = [name for name in FIELDS if name != "ErrorCode" or erred]
    assert [name for name, _ in fields if name not in LATER] == expected
    assert LATER & form.keys() == set(also)
    assert form["SmsSid"] == form["MessageSid"]
    assert form["SmsStatus"] == form["MessageStatus"]
    assert (form["AccountSid"], form["ApiVersion"]) == (ac(ACCOUNT.id), "2010-04-01")
    assert form["From"].startswith("+1")
    assert form["To"].startswith("+1")
    assert got.headers["content-type"] == "application/x-www-form-urlencoded; charset=UTF-8"
    assert RequestValidator(ACCOUNT.auth_token).validate(got.url, form, got.headers["x-twilio-signature"])


async def test_from_a_number_it_is_created_queued_and_delivered(desk: Desk) -> None:
    made = await desk.do(
        lambda client: client.messages.create(
            to=DELIVERED, from_=SENDER, body="hello", status_callback=desk.callback
        )
    )
    assert (made.status, made.date_sent, made.price) == ("queued", None, None)
    sent, delivered = await desk.told(made.sid or "", "sent", "delivered")
    holds_to_the_sample(sent)
    holds_to_the_sample(delivered, "RawDlrDoneDate")
    kept = await desk.do(lambda client: client.messages(made.sid or "").fetch())
    assert (kept.status, kept.price, kept.error_code) == ("delivered", "-0.00790", None)


async def test_sending_is_kept_and_not_told(desk: Desk) -> None:
    sid = await desk.send(DELIVERED)
    await desk.told(sid, "sent", "delivered")
    async with desk.house.http() as http:
        events = (await http.get(f"/v1/messages/{sid}/events")).json()["events"]
    assert [event["status"] for event in events] == ["queued", "sending", "sent", "delivered"]


async def test_undelivered_is_what_the_carrier_said_no_to_later(desk: Desk) -> None:
    sid = await desk.send(UNKNOWN_NUMBER)
    _, undelivered = await desk.told(sid, "sent", "undelivered")
    holds_to_the_sample(undelivered, "RawDlrDoneDate")
    assert undelivered.form["ErrorCode"] == "30005"
    kept = await desk.do(lambda client: client.messages(sid).fetch())
    assert (kept.status, kept.error_code, kept.price) == ("undelivered", 30005, "-0.00790")


async def test_failed_is_what_never_left(desk: Desk) -> None:
    sid = await desk.send(REFUSED)
    (failed,) = await desk.told(sid, "failed")
    holds_to_the_sample(failed)
    kept = await desk.do(lambda client: client.messages(sid).fetch())
    assert (kept.status, kept.error_code, kept.price, kept.date_sent) == ("failed", 30008, None, None)


async def test_the_sample_itself(tmp_path: "Path") -> None:
    """Taken in, and while it waits for its turn its account may send to that country no longer: 21408."""
    settings = msgspec.structs.replace(development(), queues=QueueSettings(long_code=1))
    async with served(tmp_path, settings) as house:
        desk = Desk(house)
        first, waiting = await desk.send(SILENT), await desk.send(DELIVERED)
        await desk.told(first, "sent")
        await house.gateway.store.put_account(msgspec.structs.replace(ACCOUNT, countries=("GB",)))
        house.gateway.accounts.forget(ACCOUNT.id)
        desk.wind(1)
        (failed,) = await desk.told(waiting, "failed")
        holds_to_the_sample(failed)
        given = dict(parse_qsl(SAMPLE))
        own = {"SmsSid": waiting, "MessageSid": waiting, "AccountSid": ac(ACCOUNT.id)}
        assert failed.form == given | own | {"To": DELIVERED, "From": SENDER}


async def test_a_service_accepts_chooses_and_sends(desk: Desk) -> None:
    service = await desk.service()
    made = await desk.do(
        lambda client: client.messages.create(to=DELIVERED, messaging_service_sid=service, body="hello")
    )
    assert (made.status, made.from_, made.num_segments) == ("accepted", None, "0")
    assert made.messaging_service_sid == service
    for got in await desk.told(made.sid or "", "queued", "sent", "delivered"):
        done = ["RawDlrDoneDate"] if got.form["MessageStatus"] == "delivered" else []
        holds_to_the_sample(got, "MessagingServiceSid", *done)
        assert (got.form["MessagingServiceSid"], got.form["From"]) == (service, SENDER)
    kept = await desk.do(lambda client: client.messages(made.sid or "").fetch())
    assert (kept.from_, kept.num_segments) == (SENDER, "1")


async def scheduled(desk: Desk, service: str) -> str:
    send_at = instant(desk.house.gateway.clock.now()) + timedelta(hours=1)
    made = await desk.do(
        lambda client: client.messages.create(
            to=DELIVERED, messaging_service_sid=service, body="hello", schedule_type="fixed", send_at=send_at
        )
    )
    assert (made.status, made.from_, made.num_segments, made.date_sent) == ("scheduled", None, "0", None)
    return made.sid or ""


async def test_scheduled_it_waits_and_is_then_queued_and_sent(desk: Desk) -> None:
    sid = await scheduled(desk, await desk.service())
    assert await desk.status(sid) == "scheduled"
    desk.wind(HOUR)
    queued, *_ = await desk.told(sid, "queued", "sent", "delivered")
    holds_to_the_sample(queued, "MessagingServiceSid")


async def test_scheduled_and_canceled_it_is_never_sent(desk: Desk) -> None:
    sid = await scheduled(desk, await desk.service())
    canceled = await desk.do(lambda client: client.messages(sid).update(status="canceled"))
    assert (canceled.status, canceled.from_, canceled.date_sent) == ("canceled", None, None)
    (told,) = await desk.told(sid, "canceled")
    assert "From" not in told.form
    with pytest.raises(TwilioRestException) as refused:
        await desk.do(lambda client: client.messages(sid).update(status="canceled"))
    assert (refused.value.code, refused.value.status) == (30409, 409)
    desk.wind(2 * HOUR)
    await desk.told(await desk.send(DELIVERED), "sent", "delivered")
    assert await desk.status(sid) == "canceled"


async def test_without_a_receipt_it_stays_sent_for_good(desk: Desk) -> None:
    sid = await desk.send(SILENT)
    await desk.told(sid, "sent")
    desk.wind(73 * HOUR)
    assert await desk.status(sid) == "sent"


async def test_after_an_hour_delivery_is_unknown_and_the_status_still_sent(desk: Desk) -> None:
    sid = await desk.send(SILENT)
    await desk.told(sid, "sent")
    async with desk.house.http() as http:
        assert (await http.get(f"/v1/messages/{sid}")).json()["delivery_unknown"] is None
        desk.wind(HOUR + 1)
        assert (await http.get(f"/v1/messages/{sid}")).json()["delivery_unknown"] is not None
    assert await desk.status(sid) == "sent"


async def test_news_after_72_hours_is_news(desk: Desk) -> None:
    sid = await desk.send(LATE)
    await desk.told(sid, "sent")
    desk.wind(80 * HOUR)
    await desk.told(sid, "sent", "delivered")
    kept = await desk.do(lambda client: client.messages(sid).fetch())
    assert kept.date_updated is not None
    assert kept.date_sent is not None
    assert kept.date_updated - kept.date_sent >= timedelta(hours=79)


async def test_the_deprecated_resource_leaves_it_at_sent_for_ever(tmp_path: "Path") -> None:
    usual = development()
    server = msgspec.structs.replace(usual.server, sms_messages=True)
    async with served(tmp_path, msgspec.structs.replace(usual, server=server)) as house:
        desk = Desk(house)
        root = f"/2010-04-01/Accounts/{ac(ACCOUNT.id)}/SMS/Messages"
        form = {"From": SENDER, "To": DELIVERED, "Body": "hello", "StatusCallback": desk.callback}
        async with house.http(spelled=ac) as http:
            made = await http.post(f"{root}.json", data=form)
            assert made.status_code == 201, made.text
            sid = made.json()["sid"]
            await desk.told(sid, "sent")
            # What was sent after it is delivered, and told so: a receipt for the first would have come before.
            await desk.told(await desk.send(DELIVERED), "sent", "delivered")
            desk.wind(100 * HOUR)
            assert (await http.get(f"{root}/{sid}.json")).json()["status"] == "sent"
        await desk.told(sid, "sent")


async def test_what_comes_in_is_receiving_then_received(desk: Desk) -> None:
    url = desk.house.application.url + "/inbound"
    await desk.do(lambda client: client.incoming_phone_numbers.list(phone_number=SENDER)[0].update(sms_url=url))
    async with desk.house.http() as http:
        await http.post("/v1/simulator/inbound", json={"from": DELIVERED, "to": SENDER, "body": "Are you open?"})
    (asked,) = await desk.house.application.until(bool, "/inbound")
    sid = asked.form["MessageSid"]
    assert (asked.form["SmsStatus"], asked.form["Body"]) == ("received", "Are you open?")
    assert await desk.status(sid) == "received"
    async with desk.house.http() as http:
        events = (await http.get(f"/v1/messages/{sid}/events")).json()["events"]
    assert [event["status"] for event in events] == ["receiving", "received"]
