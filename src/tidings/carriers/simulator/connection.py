"""One connection of a client to the simulated carrier.

`server` makes one for every connection that is accepted; `submissions` answers on it.
"""

import asyncio

from tidings.carriers.simulator.outbox import Outbox
from tidings.carriers.smpp.link import Link


class Connection:
    """`server` gives it its link, and with the bind its client's system_id and outbox."""

    link: Link

    def __init__(self, outbox: Outbox) -> None:
        self.system_id = ""
        self.outbox = outbox
        """What this client (system_id) is owed, shared by all its connections."""
        self.pending = 0
        """Submissions not answered yet."""
        self._unbinding: asyncio.Task[None] | None = None

    def unbind(self, reason: str) -> None:
        """Say goodbye in the middle of everything."""
        self.outbox.detach(self.link)
        self._unbinding = asyncio.ensure_future(self.link.unbind(reason))
