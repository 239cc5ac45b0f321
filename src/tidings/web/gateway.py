"""What the web room needs of the gateway: the composition root hands it in, tests hand in what they like."""

from typing import Protocol, TypedDict

from tidings.callbacks.breaker import HostReport
from tidings.clock import Clock
from tidings.gateway.recent import Recent
from tidings.gateway.submit import Submitted
from tidings.model import Account, ApiKey, Callback, Order, Replay
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
