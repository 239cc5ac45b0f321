"""Sends a message with signalwire-sdk, by REST and by RELAY, and listens for one that comes in.

Arguments: project, token. The environment names gateway and authority, as `tidings serve --tls` prints them.
What happens is printed as JSON, a line a step, until the inbound message has come.
"""

# mypy: ignore-errors

import asyncio
import json
import sys

from signalwire.relay import RelayClient
from signalwire.rest import RestClient

PROJECT, TOKEN = sys.argv[1:]
SENDER, RECIPIENT = "+15005550006", "+15551230200"


def show(what, **content):
    print(json.dumps({"what": what, **content}))


async def main():
    rest = RestClient(PROJECT, TOKEN)
    made = await asyncio.to_thread(rest.messages.create, to=RECIPIENT, from_=SENDER, body="by REST")
    show("rest", status=made["status"], kind=made["kind"])
    came = asyncio.Event()

    async def take(message):
        show("received", sender=message.from_number, to=message.to_number, body=message.body)
        came.set()

    async with RelayClient(project=PROJECT, token=TOKEN, contexts=["office"]) as relay:
        relay.on_message(take)
        sent = await relay.send_message(to_number=RECIPIENT, from_number=SENDER, body="by RELAY")
        await sent.wait(timeout=20)
        show("relay", state=sent.state)
        show("listening")
        await came.wait()


asyncio.run(main())
