"""What the web room needs of the gateway: the composition root hands it in, tests hand in what they like."""

from collections.abc import Mapping
from typing import Protocol, TypedDict

from tidings.arranged import Sender
from tidings.callbacks.breaker import HostReport
from tidings.carriers.base import Carrier
from tidings.clock import Clock
from tidings.gateway.optout import OptOuts
from tidings.gateway.recent import Recent
from tidings.gateway.services import Services
from tidings.gateway.submit import Submitted
from tidings.model import Account, ApiKey, Callback, Message, Order, Replay, Standing
from tidings.relay.hub import Hub
from tidings.store.base import CallbackFilter, CallbackKey, Store


class Readiness(TypedDict):
    """What is up."""

    store: bool
    """Open, and answering."""
    carriers: dict[str, bool]
    """Name → whether it can submit now."""


class Gateway(Protocol):
    @property
    def store(self) -> Store: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def accounts(self) -> Recent[Account]: ...

    @property
    def api_keys(self) -> Recent[ApiKey]: ...

    @property
    def hub(self) -> Hub:
        """RELAY's sessions."""
        ...

    @property
    def services(self) -> Services:
        """As submissions meet them: what an API has changed is to be told there."""
        ...

    @property
    def opt_outs(self) -> OptOuts: ...

    @property
    def windable(self) -> bool:
        """Whether its clock can be wound: development."""
        ...

    def wind(self, by: int) -> int:
        """Move the gateway's time forward by so many microseconds. Returns the time as it then is.

        Raises Problem 20006 where that is not to be done.
        """
        ...

    @property
    def concurrency(self) -> int:
        """Requests of one account that are answered at once; 0: no limit."""
        ...

    @property
    def sms_messages(self) -> bool:
        """Whether Twilio's deprecated resource /SMS/Messages is served."""
        ...

    @property
    def carriers(self) -> Mapping[str, Carrier]: ...

    @property
    def public_url(self) -> str:
        """Where clients reach this gateway; "" where the settings do not say, and the request is to tell."""
        ...

    @property
    def draining(self) -> bool:
        """On its way down: what is under way is finished, and nobody should send more here."""
        ...

    async def submit(self, account: Account, order: Order) -> Submitted:
        """Take a message in; on disk once it returns. Raises Problem; then nothing is kept."""
        ...

    async def redact(self, account: str, message_id: str) -> tuple[Message, Standing]:
        """Take the text of a message away for good; on disk once it returns.

        Raises Problem: 20404 where there is none, 20009 while it is on its way.
        """
        ...

    async def cancel(self, account: str, message_id: str) -> tuple[Message, Standing]:
        """Cancel a scheduled message; on disk once it returns.

        Raises Problem: 20404 where there is none, 30409 where it is not scheduled (any more).
        """
        ...

    async def feedback(self, account: str, message_id: str, outcome: str) -> tuple[int, int]:
        """Keep what an application says of a message's effect. Returns when it first said something, and when it
        last did: now.

        Raises Problem: 20404 where there is none, 20010 where none was announced for it.
        """
        ...

    async def delete(self, account: str, message_id: str) -> None:
        """Redact a message, drop its media, and show it no more. Raises as `redact` does."""
        ...

    async def drop_medium(self, account: str, message_id: str, medium_id: str) -> None:
        """Drop one medium of a message. Raises as `redact` does, 20404 also where there is no such medium."""
        ...

    async def put_sender(self, sender: Sender) -> None:
        """Keep a sender, new or changed, as submissions and inbound messages are to find it from now on."""
        ...

    async def drop_sender(self, sender: Sender) -> None:
        """Make a sender nobody's: from now on nothing is sent from it or taken in for it."""
        ...

    @property
    def claims(self) -> bool:
        """Whether an application may take a number through an API that is nobody's yet: development."""
        ...

    def carries_media(self, recipient: str) -> bool:
        """Whether a carrier on the route of `recipient` (E.164; "+": any) takes media messages."""
        ...

    async def replay(self, account: str, where: CallbackFilter) -> Replay:
        """Tell again what the filter finds. The replay is on disk once it returns, and goes on by itself."""
        ...

    async def replay_one(self, account: str, key: CallbackKey) -> Callback:
        """Tell a callback again; it is owed once this returns.

        Raises Problem: 20404 where there is none, 20009 while it is owed already.
        """
        ...

    async def hosts(self, account: str) -> list[HostReport]:
        """The hosts at which the account is owed something."""
        ...

    def unknown_after(self, recipient: str) -> int:
        """Seconds after which a message to `recipient` that has heard nothing counts as unknown."""
        ...

    def readiness(self) -> Readiness: ...
