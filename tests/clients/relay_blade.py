"""A consumer as users of the old client write it: `relay_blade.py URL PROJECT TOKEN CONTEXT [MESSAGE]`.

It listens to the context and, once it is ready, sends the message where there is one (JSON, what `send`
takes). Runs in the old client's environment until it is told to stop.
"""

# mypy: ignore-errors

import json
import sys

from signalwire.relay.consumer import Consumer

URL, PROJECT, TOKEN, CONTEXT = sys.argv[1:5]
MESSAGE = json.loads(sys.argv[5]) if len(sys.argv) > 5 else None


def show(what, **content):
    print(json.dumps({"what": what, **content}))


class Example(Consumer):
    def setup(self):
        self.host = URL
        self.project = PROJECT
        self.token = TOKEN
        self.contexts = [CONTEXT]

    async def ready(self):
        show("ready")
        if MESSAGE:
            result = await self.client.messaging.send(**MESSAGE)
            show("sent", successful=result.successful, message_id=result.message_id)

    def on_incoming_message(self, message):
        show("received", **vars(message))

    def on_message_state_change(self, message):
        show("state", **vars(message))


Example().run()
