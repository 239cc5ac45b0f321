"""What is arranged through one API holds for messages of all: number groups, and who answers a number."""

from typing import Any

import httpx

from tests.tongues.house import ACCOUNT, SENDER, House
from tests.tongues.test_every_tongue import COMPAT, TWILIO, genuine, statuses
from tidings.arranged import Sender
from tidings.carriers.base import InboundSegment
from tidings.ids import dashed

OTHER = "+15005550007"
DELIVERED = "+15551230200"


async def grouped(house: House, http: httpx.AsyncClient, *, sticky: bool) -> str:
    """The id of a number group of both senders."""
    await house.gateway.put_sender(Sender(OTHER, ACCOUNT.id))
    made = await http.post("/api/relay/rest/number_groups", json={"name": "both", "sticky_sender": sticky})
    group: str = made.json()["id"]
    numbers = (await http.get("/api/relay/rest/phone_numbers")).json()["data"]
    for number in numbers:
        joined = await http.post(
            f"/api/relay/rest/number_groups/{group}/number_group_memberships",
            json={"phone_number_id": number["id"]},
        )
        assert joined.status_code in (200, 201), joined.text
    assert len(numbers) == 2
    return group


async def sent_by(http: httpx.AsyncClient, group: str, to: str) -> str:
    """Whom a message to `to` is from."""
    answer = await http.post(COMPAT, data={"MessagingServiceSid": group, "To": to, "Body": "hello"})
    assert answer.status_code == 201, answer.text
    message = answer.json()
    assert message["messaging_service_sid"] == group
    return str(message["from"])


async def test_a_sticky_group_sends_to_each_from_the_same_number(house: House) -> None:
    async with house.http() as http:
        group = await grouped(house, http, sticky=True)
        recipients = [f"+155512302{last:02}" for last in range(16)]
        first = {to: await sent_by(http, group, to) for to in recipients}
        again = {to: await sent_by(http, group, to) for to in recipients}
    assert first == again
    assert set(first.values()) == {SENDER, OTHER}


async def test_any_other_group_sends_from_all_of_its_numbers(house: House) -> None:
    async with house.http() as http:
        group = await grouped(house, http, sticky=False)
        assert {await sent_by(http, group, DELIVERED) for _ in range(40)} == {SENDER, OTHER}


async def test_a_group_serves_twilios_api_as_a_messaging_service(house: House) -> None:
    async with house.http() as http:
        group = await grouped(house, http, sticky=False)
        service = "MG" + group.replace("-", "")
        form = {"MessagingServiceSid": service, "To": DELIVERED, "Body": "hello"}
        made = (await http.post(TWILIO + ".json", data=form)).json()
        assert (made["status"], made["from"], made["messaging_service_sid"]) == ("accepted", None, service)
        message = (await http.get(made["uri"])).json()
    assert message["from"] in (SENDER, OTHER)


async def answered_by(http: httpx.AsyncClient, contents: dict[str, Any]) -> None:
    """Route the first sender to a script of SWML."""
    script = {"name": "answers", "contents": contents, "script_type": "messaging"}
    made = await http.post("/api/fabric/resources/swml_scripts", json=script)
    assert made.status_code in (200, 201), made.text
    (number,) = (await http.get("/api/relay/rest/phone_numbers", params={"filter_number": SENDER})).json()["data"]
    route = {"phone_route_id": number["id"], "handler": "messaging"}
    routed = await http.post(f"/api/fabric/resources/{made.json()['id']}/phone_routes", json=route)
    assert routed.status_code in (200, 201), routed.text


async def test_swml_replies_and_sends_and_both_are_told_as_rest_messages_are(house: House) -> None:
    url = house.application.url
    steps = [
        {"reply": {"body": "You said %{message.body}", "status_url": f"{url}/replied"}},
        {
            "send_sms": {
                "from_number": SENDER,
                "to_number": DELIVERED,
                "body": "%{message.from} wrote",
                "status_callback": f"{url}/sent",
            }
        },
    ]
    async with house.http() as http:
        await answered_by(http, {"version": "1.0.0", "sections": {"main": steps}})
        came = InboundSegment("simulator", 0, "15551230202", SENDER[1:], "hello", "gsm7", None, 1, 1, "")
        await house.gateway.inbound.take(came)
        replied = await house.application.until(lambda got: "sent" in statuses(got, "signalwire_rest"), "/replied")
        sent = await house.application.until(lambda got: "delivered" in statuses(got, "signalwire_rest"), "/sent")
        for one in (*replied, *sent):
            genuine(one, "signalwire_rest")
            assert one.json["project_id"] == dashed(ACCOUNT.id)
        assert {(one.json["to"], one.json["body"]) for one in replied} == {("+15551230202", "You said hello")}
        assert {(one.json["to"], one.json["body"]) for one in sent} == {(DELIVERED, "+15551230202 wrote")}
        assert statuses(sent, "signalwire_rest") == ["queued", "initiated", "sent", "delivered"]
        logs = (await http.get("/api/messaging/logs")).json()["data"]
        assert sorted(log["direction"] for log in logs) == ["inbound", "outbound", "outbound"]
        reply = (await http.get(f"{COMPAT}/{replied[0].json['id']}")).json()
        assert reply["direction"] == "outbound-reply"
