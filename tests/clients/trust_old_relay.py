"""A consumer of the old client at the host named; runs in that client's environment, until it is stopped."""

# mypy: ignore-errors

import asyncio
import sys

from signalwire.relay.consumer import Consumer


class Office(Consumer):
    def setup(self):
        self.project, self.token, self.contexts = "project", "token", ["office"]
        self.host = sys.argv[1]


asyncio.set_event_loop(asyncio.new_event_loop())  # the client wants one, and Python makes none any more
Office().run()
