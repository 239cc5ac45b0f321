"""Who answers a number, as Twilio's API was told: a message that comes in is asked about and replied to."""

import asyncio

from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.tongues.house import ACCOUNT, SENDER, House, ac
from tidings.carriers.base import InboundSegment

HANDSET = "+15551230202"


async def test_a_number_is_answered_by_the_url_that_twilios_client_set(house: House) -> None:
    url = house.application.url
    reply = f'<Response><Message statusCallback="{url}/replied">You said hello</Message></Response>'
    house.application.documents["/sms"] = reply.encode()
    client = Client(ac(ACCOUNT.id), ACCOUNT.auth_token)
    client.api.base_url = house.url
    (number,) = await asyncio.to_thread(client.incoming_phone_numbers.list, phone_number=SENDER)
    await asyncio.to_thread(number.update, sms_url=f"{url}/sms")
    came = InboundSegment("simulator", 0, HANDSET[1:], SENDER[1:], "hello", "gsm7", None, 1, 1, "")
    await house.gateway.inbound.take(came)
    (asked,) = await house.application.until(bool, "/sms")
    assert (asked.form["From"], asked.form["To"], asked.form["Body"]) == (HANDSET, SENDER, "hello")
    genuine = RequestValidator(ACCOUNT.auth_token).validate
    assert genuine(asked.url, asked.form, asked.headers["x-twilio-signature"])
    (sent,) = await house.application.until(bool, "/replied")
    assert (sent.form["From"], sent.form["To"], sent.form["MessageStatus"]) == (SENDER, HANDSET, "sent")
    replied = await asyncio.to_thread(client.messages(sent.form["MessageSid"]).fetch)
    assert (replied.body, replied.direction) == ("You said hello", "outbound-reply")
