"""Tells applications what happened: every owed callback, in order per message, until it is done or given up.

The room takes owed callbacks (`offer`, or from the store after a restart) and keeps outcomes; the rounds of
attempts in between are made elsewhere (`attempt`). What is owed stands in lanes, one for each account at each
host, so that none holds up another (`lanes`, `host`).

A round ends well with a 2xx. After anything else there is another one, later and later, until `give_up_after` has
passed; a Retry-After is waited for, and 410 Gone ends it at once. With `durable` off there is one round.
"""

import asyncio
import logging
import random
from collections import Counter, OrderedDict
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from tidings.callbacks import forms
from tidings.callbacks.attempt import Attempts, Outcome, Telling
from tidings.callbacks.breaker import HostReport
from tidings.callbacks.host import Host, Permit, host_of
from tidings.callbacks.lanes import Lane, chain_id
from tidings.callbacks.shares import shares
from tidings.callbacks.subscriptions import Subscriptions
from tidings.clock import DAY, SECOND, AlarmClock
from tidings.gateway.recent import Recent
from tidings.model import Account, Callback, CallbackState, Event, Message, Target
from tidings.store.base import Change, OwedCallback, Store
from tidings.work.window import Tally

log = logging.getLogger(__name__)

RETRY_AFTER: Final = (1, 5, 15, 60, 5 * 60, 15 * 60, 30 * 60, 60 * 60)
"""Seconds before the second, third … round, ±20 %; the last one repeats. Never longer than it has been tried."""
GONE: Final = 410
IDLE_HOSTS: Final = 1000
"""Hosts that are owed nothing, of which it is remembered how they did."""


class DeliverySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    allow_private: bool = False
    """Whether callbacks may go to loopback and private addresses: for development."""
    allow_hosts: tuple[str, ...] = ()
    """Names that may have any address: the operator vouches for their DNS."""
    allow_networks: tuple[str, ...] = ()
    """CIDR blocks that callbacks may go to, whatever they are."""
    ports: tuple[Annotated[int, Meta(ge=1, le=65535)], ...] = ()
    """The only ports that may be called; none: any."""
    durable: bool = True
    """Whether a callback whose round failed is tried again; False: only each dialect's own policy."""
    give_up_after: Annotated[int, Meta(ge=1)] = DAY // SECOND
    """Seconds that a callback is tried for."""
    retention: Annotated[int, Meta(ge=0)] = 30
    """Days that attempts are kept for; 0: for ever."""
    window: Annotated[int, Meta(ge=1)] = 10_000
    """Messages with owed callbacks held in memory, over all hosts."""
    concurrency: Annotated[int, Meta(ge=1)] = 128
    """Requests under way to one host at a time."""
    own_process: bool | None = None
    """Whether requests are made in a process beside the gateway's; unset: where there are more than two cores."""

    def __post_init__(self) -> None:
        for network in self.allow_networks:
            ip_network(network)


class Delivery:
    """Implements `gateway.ledger.Teller`."""

    def __init__(
        self,
        store: Store,
        attempts: Attempts,
        accounts: Recent[Account],
        clock: AlarmClock,
        settings: DeliverySettings,
    ) -> None:
        self.store = store
        self.clock = clock
        self.patience = settings.give_up_after * SECOND
        """Microseconds that a callback is tried for."""
        self.counts: Counter[str] = Counter()
        self.held = Tally()
        """Messages in memory, over all lanes."""
        self._settings = settings
        self._attempts = attempts
        self._accounts = accounts
        self._subscriptions = Subscriptions(store)
        self._shares = shares()
        self._began = clock.now()
        self._hosts: dict[str, Host] = {}
        """Those that are owed something."""
        self._idle: OrderedDict[str, Host] = OrderedDict()
        self._lanes: dict[tuple[str, str], Lane] = {}
        """By host and account."""
        self._account_hosts: dict[str, str] = {}
        """By account, the host that its account-wide callbacks stand under."""
        self._started = False

    # --- the door
    def owing(self, message: Message, event: Event) -> Sequence[tuple[Target, str]]:
        """Which hosts are to be told of `event`, and as what."""
        owing = []
        if forms.tells(message, event) and (host := host_of(message.callback_url or "")) is not None:
            owing.append((Target.MESSAGE, host))
        if message.extras:
            owing.extend(forms.beside(message, event))
        if (host := self._account_host(message.account)) is not None:
            owing.append((Target.ACCOUNT, host))
        return owing

    def offer(self, owed: OwedCallback) -> None:
        """A callback has been committed."""
        self._lane(owed.callback.host, owed.callback.account).offer(owed)

    def look_again(self, callbacks: Sequence[Callback]) -> None:
        """The store has these, or may have them: nobody knows of a commit that is said to have failed."""
        by_lane: dict[tuple[str, str], list[str]] = {}
        for callback in callbacks:
            chains = by_lane.setdefault((callback.host, callback.account), [])
            chains.append(chain_id(callback.message_id, callback.target))
        for (host, account), chains in by_lane.items():
            self._lane(host, account).look_again(chains)

    def redacted(self, message: Message) -> None:
        """It is told without its text from now on; what is under way has left with it."""
        for lane in self._lanes.values():
            lane.redacted(message)

    async def wake(self, name: str, account: str) -> None:
        """A host has come within reach by itself: what `account` is owed there need wait no longer."""
        if await self.store.hasten(name, account, self.clock.now()) or (name, account) in self._lanes:
            lane = self._lane(name, account)
            lane.host.back()
            lane.look_again()

    def owed_again(self, callback: Callback, replay_id: str | None = None) -> Callback:
        """A callback that was settled, as it is to be kept when it is told again."""
        host = self._account_host(callback.account) if callback.target is Target.ACCOUNT else None
        now = self.clock.now()
        return replace(
            callback,
            host=host or callback.host,
            state=CallbackState.OWED,
            owed_since=now,
            due_at=now,
            done_at=None,
            replay=replay_id,
        )

    async def start(self) -> None:
        """Go on with what was owed when the process ended."""
        self._began = self.clock.now()
        await self._subscriptions.start()
        for host, account, target, _ in await self.store.owing():
            if target is Target.ACCOUNT:
                self._account_hosts[account] = host
            self._lane(host, account)
        self._started = True
        for lane in self._lanes.values():
            lane.start()

    async def stop(self) -> None:
        """Begin nothing new and wait for the attempts under way."""
        self._subscriptions.stop()
        await asyncio.gather(*(lane.stop() for lane in list(self._lanes.values())))
        for host in self._hosts.values():
            host.close()

    async def hosts(self, account: str) -> list[HostReport]:
        """The hosts at which an account is owed something."""
        outstanding: Counter[str] = Counter()
        for name, _, _, owed in await self.store.owing(account):
            outstanding[name] += owed
        return [self._report(name, owed) for name, owed in sorted(outstanding.items())]

    def _report(self, name: str, outstanding: int) -> HostReport:
        host = self._hosts.get(name) or self._idle.get(name) or self._unknown(name)
        breaker = host.breaker
        return HostReport(name, host.state, breaker.failures, breaker.last_error, breaker.probe_at, outstanding)

    def _account_host(self, account: str) -> str | None:
        """Where what is owed to an account's URL stands: one place at a time, or a change of the URL could turn
        the order round. What is told next goes to the URL as it is then, wherever it stands."""
        known = self._account_hosts.get(account)
        if known is not None and (known, account) in self._lanes:
            return known
        url = self._subscriptions.url(account)
        host = None if url is None else host_of(url)
        if host is not None:
            self._account_hosts[account] = host
        return host

    # --- lanes
    @property
    def room(self) -> int:
        """Messages that may be held beside those that are.

        No lane holds more than are free for others: one that is slow takes half of the memory at most, two take
        a third each, and there is always room for whoever comes next.
        """
        return self._settings.window - self.held.count

    def _lane(self, name: str, account: str) -> Lane:
        lane = self._lanes.get((name, account))
        if lane is not None:
            return lane
        host = self._hosts.get(name) or self._idle.pop(name, None) or self._unknown(name)
        self._hosts[name] = host
        lane = host.lanes[account] = self._lanes[name, account] = Lane(self, host, account, new=self._started)
        if self._started:
            lane.start()
        return lane

    def _unknown(self, name: str) -> Host:
        return Host(name, self._settings.concurrency, self._shares, self.clock, self._began)

    def drop(self, lane: Lane) -> None:
        """A lane has nothing left: hosts come and go, memory stays bounded."""
        lane.end()
        host = lane.host
        self._lanes.pop((host.name, lane.account), None)
        host.lanes.pop(lane.account, None)
        if not host.lanes and self._hosts.pop(host.name, None) is not None:
            host.close()
            self._idle[host.name] = host
            if len(self._idle) > IDLE_HOSTS:
                self._idle.popitem(last=False)

    # --- one round
    async def tell(self, owed: OwedCallback, host: Host, permit: Permit) -> tuple[Change, Callback]:
        """Make one round. Returns what is to be kept of it, and the callback as it then is."""
        callback = owed.callback
        account = await self._accounts.get(callback.account)
        change = Change()
        if account is None:
            settled = self.given_up(callback, None, 20404)
        elif callback.target is Target.ACCOUNT and account.callbacks.url is None:
            settled = self.given_up(callback, None, 11100)
        else:
            telling = Telling(
                owed.message, owed.event, callback.target, account, self.clock.now(), callback.attempts
            )
            outcome = await self._attempts.make(telling)
            host.heard(outcome, permit)
            settled = self._settled(callback, outcome)
            change.attempts.extend(outcome.attempts)
        change.outcomes.append(settled)
        return change, settled

    def _settled(self, callback: Callback, outcome: Outcome) -> Callback:
        now = self.clock.now()
        made = max(1, len(outcome.attempts))
        attempts, response, error = callback.attempts + made, outcome.response, outcome.error
        if error is None:
            self.counts["done"] += 1
            done = CallbackState.DONE
            return replace(callback, state=done, attempts=attempts, response=response, error=None, done_at=now)
        tried = replace(callback, attempts=attempts, response=response, error=error)
        if not self._settings.durable or outcome.final or outcome.response == GONE:
            return self.given_up(tried, outcome.response, outcome.error)
        last = callback.owed_since + self.patience
        due_at = now + self._pause(now - callback.owed_since, tried.attempts // made)
        if outcome.retry_after:
            # However long the host wants to be left alone, it is asked once more before the end.
            due_at = max(due_at, min(now + outcome.retry_after, last))
        if due_at > last or now >= last:
            return self.given_up(tried, outcome.response, outcome.error)
        self.counts["retried"] += 1
        return replace(tried, state=CallbackState.RETRYING, due_at=due_at)

    @staticmethod
    def _pause(tried_for: int, rounds: int) -> int:
        """Microseconds until the next round."""
        step = RETRY_AFTER[min(rounds, len(RETRY_AFTER)) - 1] * SECOND
        # What was replayed has many rounds behind it, and begins with short pauses all the same.
        pause = min(step, max(tried_for, RETRY_AFTER[0] * SECOND))
        return int(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    def given_up(self, callback: Callback, response: int | None, error: int | None) -> Callback:
        self.counts["given_up"] += 1
        return replace(
            callback, state=CallbackState.GIVEN_UP, response=response, error=error, done_at=self.clock.now()
        )
