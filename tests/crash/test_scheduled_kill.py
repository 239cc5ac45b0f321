"""Scheduled messages against SIGKILL at the moments they come due, while some of them are being canceled: each
goes out once or was canceled, and whoever was told that it was canceled was told the truth."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx

from tests.crash import audit
from tests.crash.processes import SENDER, SID
from tidings.lifecycle import Status

if TYPE_CHECKING:
    from tests.crash.conftest import Stage

MESSAGES = 240
KILLS = 4
AHEAD, SPREAD = 5.0, 5.0
"""Seconds until the first is due, and over which they are."""
ROOT = f"/2010-04-01/Accounts/{SID}"
SETTINGS = "[schedule]\nmin_lead = 0\n"


async def test_each_goes_out_once_or_was_canceled_whenever_the_gateway_dies(stage: "Stage") -> None:
    stage.gateway.configure(SETTINGS)
    await stage.gateway.start()
    await stage.gateway.ready()
    begins = datetime.now(UTC) + timedelta(seconds=AHEAD)
    async with stage.gateway.client() as client:
        pool = await service(client)
        due = [begins + timedelta(seconds=SPREAD * number / MESSAGES) for number in range(MESSAGES)]
        made = await asyncio.gather(*(schedule(client, pool, number, at) for number, at in enumerate(due)))
        canceling = asyncio.create_task(cancel(client, stage.chance, dict(zip(made, due, strict=True))))
        await asyncio.sleep(AHEAD)
        for _ in range(KILLS):
            # The moment is left to chance on purpose: there is nothing to wait for.
            await asyncio.sleep(stage.chance.uniform(0.2, 0.8))
            await stage.gateway.kill(group=stage.chance.random() < 0.5)
            await stage.gateway.start()
        canceled, too_late = await canceling
    await stage.gateway.ready()
    books = await stage.rest()
    await stage.gateway.stop()

    assert books.messages.keys() == set(made)
    assert canceled and too_late, "each kind is to be seen"
    ended = {message_id: message.status for message_id, message in books.messages.items()}
    assert {ended[message_id] for message_id in canceled} == {Status.CANCELED}
    assert Status.CANCELED not in {ended[message_id] for message_id in too_late}
    settled = [message for message in books.messages.values() if not message.held]
    assert {message.status for message in settled} == {Status.CANCELED, Status.DELIVERED}
    reached = {"+" + entry.destination for entry in stage.submitted()}
    assert not {message.recipient for message in settled if message.status is Status.CANCELED} & reached
    audit.check_submitted_once(stage.submitted())
    audit.check_consistent(stage.gateway.database, books)


async def service(client: httpx.AsyncClient) -> str:
    """A service with the account's number in it."""
    made = (await client.post("/v1/Services", data={"FriendlyName": "Later"})).raise_for_status().json()["sid"]
    numbers = (await client.get(f"{ROOT}/IncomingPhoneNumbers.json")).json()["incoming_phone_numbers"]
    (number,) = (one["sid"] for one in numbers if one["phone_number"] == SENDER)
    added = await client.post(f"/v1/Services/{made}/PhoneNumbers", data={"PhoneNumberSid": number})
    return str(added.raise_for_status().json()["service_sid"])


async def schedule(client: httpx.AsyncClient, pool: str, number: int, at: datetime) -> str:
    """The id of a message that is to be delivered."""
    order = {"To": f"+1{200_000 + number}0200", "Body": f"{number}", "MessagingServiceSid": pool}
    later = {"ScheduleType": "fixed", "SendAt": at.isoformat(timespec="microseconds")}
    answer = await client.post(f"{ROOT}/Messages.json", data=order | later)
    return str(answer.raise_for_status().json()["sid"]).removeprefix("SM")


async def cancel(
    client: httpx.AsyncClient, chance: random.Random, due: dict[str, datetime]
) -> tuple[list[str], list[str]]:
    """Cancel a third of the messages, each about when it is due. Returns which were canceled, and which had gone;
    of those without an answer nobody knows."""
    canceled: list[str] = []
    too_late: list[str] = []
    for message_id in sorted(chance.sample(list(due), len(due) // 3), key=due.__getitem__):
        moment = due[message_id] + timedelta(seconds=chance.uniform(-0.05, 0.02))
        await asyncio.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()))
        try:
            answer = await client.post(f"{ROOT}/Messages/SM{message_id}.json", data={"Status": "canceled"})
        except httpx.TransportError:
            continue
        if answer.status_code == 200:
            canceled.append(message_id)
        elif answer.status_code != 503:
            assert answer.json()["code"] == 30409, answer.text
            too_late.append(message_id)
    return canceled, too_late
