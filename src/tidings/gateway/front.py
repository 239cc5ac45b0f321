"""What applications ask of the gateway by any of its APIs, each thing handed to whoever does it.

`app.Gateway` is one, and the sites of the web room's tests are: what is promised stands in `web.gateway.Gateway`.
"""

from tidings.arranged import Sender
from tidings.callbacks.breaker import HostReport
from tidings.callbacks.delivery import Delivery
from tidings.callbacks.replays import Replays
from tidings.clock import Clock
from tidings.gateway.erasure import Erasure
from tidings.gateway.feedback import Feedback
from tidings.gateway.ledger import Ledger
from tidings.gateway.recent import Recent
from tidings.gateway.rehearsal import rehearse
from tidings.gateway.routes import Routes
from tidings.gateway.schedule import Schedule
from tidings.gateway.submit import Submitted, Submitter
from tidings.model import Account, Callback, Channel, Message, Order, Replay, Standing
from tidings.store.base import CallbackFilter, CallbackKey, Store


class Front:
    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        senders: Recent[Sender],
        submitter: Submitter,
        schedule: Schedule,
        routes: Routes,
        replays: Replays,
        delivery: Delivery,
        clock: Clock,
    ) -> None:
        self._store = store
        self._senders = senders
        self._submitter = submitter
        self._schedule = schedule
        self._routes = routes
        self._replays = replays
        self._delivery = delivery
        self._clock = clock
        self._erasure = Erasure(store, ledger)
        self._feedback = Feedback(store, ledger)

    # --- messages
    async def submit(self, account: Account, order: Order) -> Submitted:
        if account.test:
            return rehearse(account, order, self._clock.now())
        return await self._submitter.submit(account, order)

    async def redact(self, account: str, message_id: str) -> tuple[Message, Standing]:
        return await self._erasure.redact(account, message_id)

    async def cancel(self, account: str, message_id: str) -> tuple[Message, Standing]:
        return await self._schedule.cancel(account, message_id)

    async def feedback(self, account: str, message_id: str, outcome: str) -> tuple[int, int]:
        return await self._feedback.take(account, message_id, outcome)

    async def delete(self, account: str, message_id: str) -> None:
        await self._erasure.delete(account, message_id)

    async def drop_medium(self, account: str, message_id: str, medium_id: str) -> None:
        await self._erasure.drop_medium(account, message_id, medium_id)

    # --- numbers and routes
    async def put_sender(self, sender: Sender) -> None:
        await self._store.put_sender(sender)
        self._senders.forget(sender.address)

    async def drop_sender(self, sender: Sender) -> None:
        await self._store.drop_sender(sender.address)
        self._senders.forget(sender.address)

    def carries_media(self, recipient: str) -> bool:
        if recipient == "+":
            return self._routes.takes(Channel.MMS)
        return self._routes.first(recipient, Channel.MMS) is not None

    def unknown_after(self, recipient: str) -> int:
        return self._routes.unknown_after(recipient)

    # --- callbacks
    async def replay(self, account: str, where: CallbackFilter) -> Replay:
        return await self._replays.all(account, where)

    async def replay_one(self, account: str, key: CallbackKey) -> Callback:
        return await self._replays.one(account, key)

    async def hosts(self, account: str) -> list[HostReport]:
        return await self._delivery.hosts(account)
