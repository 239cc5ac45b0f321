"""What the web room needs of the gateway: the composition root hands it in, tests hand in what they like."""

from typing import Protocol, TypedDict

from tidings.clock import Clock
from tidings.gateway.recent import Recent
from tidings.gateway.submit import Submitted
from tidings.model import Account, ApiKey, Order
from tidings.store.base import Store


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
    def draining(self) -> bool:
        """On its way down: what is under way is finished, and nobody should send more here."""
        ...

    async def submit(self, account: Account, order: Order) -> Submitted:
        """Take a message in; on disk once it returns. Raises Problem; then nothing is kept."""
        ...

    def unknown_after(self, recipient: str) -> int:
        """Seconds after which a message to `recipient` that has heard nothing counts as unknown."""
        ...

    def readiness(self) -> Readiness: ...
