"""Replies to an inbound message, submitted like any message: each of them once, however often it is asked for.

`conversation` has one `Replies` for each conversation, and all of them share a `LoopGuard`.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urljoin

from tidings.answering.effects import Replied, Reply
from tidings.callbacks.attempt import Telling
from tidings.callbacks.url import parse_url
from tidings.clock import SECOND, Clock
from tidings.dialects import signalwire_compat
from tidings.errors import Problem
from tidings.gateway.submit import Submitted
from tidings.model import Account, Direction, Order
from tidings.store.base import Store

MOST_IN_A_ROW: Final = 15
"""Replies from one number to another, each within `APART` of the one before (Twilio 14107)."""
APART: Final = 30 * SECOND
PAIRS: Final = 10_000
"""Pairs of numbers that are remembered."""

_NOT_ACTIVE: Final = 20005
_BAD_CALLBACK: Final = 21609
_BAD_MEDIUM: Final = 21620
_IN_A_LOOP: Final = 14107
_VALIDITY: Final = {signalwire_compat.NAME: signalwire_compat.DEFAULT_VALIDITY}
"""Seconds that a reply may wait, where the dialect does not let messages wait for ever."""

Submit = Callable[[Account, Order], Awaitable[Submitted]]
Remark = Callable[[int | None, str], None]
"""Keeps a remark about what was answered, under a debugger code if it is a fault."""


class LoopGuard:
    """Notices machines that answer each other. It forgets at a restart, and the pairs of long ago."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
        """By sender and recipient: replies in a row, and when the last one was."""

    def refuses(self, sender: str, recipient: str) -> bool:
        count, last = self._rows.get((sender, recipient), (0, 0))
        return count >= MOST_IN_A_ROW and self._clock.now() - last < APART

    def sent(self, sender: str, recipient: str) -> None:
        now = self._clock.now()
        count, last = self._rows.pop((sender, recipient), (0, 0))
        self._rows[sender, recipient] = (count + 1 if now - last < APART else 1, now)
        if len(self._rows) > PAIRS:
            self._rows.popitem(last=False)


class Replies:
    """Those of one conversation. Their places in it are what tells them apart when it is held again."""

    def __init__(self, telling: Telling, submit: Submit, store: Store, guard: LoopGuard, remark: Remark) -> None:
        self._message = telling.message
        self._account = telling.account
        self._submit = submit
        self._store = store
        self._guard = guard
        self._remark = remark
        self._places = 0

    async def send(self, reply: Reply, source: str) -> Replied:
        """`source`: where relative URLs start. Raises StoreError."""
        key = f"reply {self._places} to {self._message.id}"
        self._places += 1
        try:
            submitted = await self._send(self._order(reply, source, key), key)
        except Problem as problem:
            self._remark(problem.code, f"a reply was refused: {problem.message}")
            return Replied(None, problem.code)
        said, standing = submitted.message.body, submitted.standing
        if submitted.repeated and said != reply.body and standing.redacted_at is None:
            self._remark(None, "a reply that was sent before has another text now, and was not sent again")
        return Replied(submitted.message.id, None)

    async def _send(self, order: Order, key: str) -> Submitted:
        if not self._account.active:
            raise Problem(_NOT_ACTIVE)
        pair = order.sender, order.recipient
        if self._guard.refuses(*pair) and await self._store.idempotency_key(self._account.id, key) is None:
            raise Problem(_IN_A_LOOP, value=order.recipient)
        submitted = await self._submit(self._account, order)
        if not submitted.repeated:
            self._guard.sent(*pair)
        return submitted

    def _order(self, reply: Reply, source: str, key: str) -> Order:
        """Raises Problem."""
        message = self._message
        return Order(
            message.dialect,
            reply.sender or message.recipient,
            reply.recipient or message.sender,
            reply.body,
            self._callback_url(reply.callback_url, source),
            _VALIDITY.get(message.dialect),
            idempotency_key=key,
            media=tuple(_absolute(url, source, _BAD_MEDIUM) for url in reply.media),
            direction=Direction.OUTBOUND_REPLY,
            extras=_extras(reply),
        )

    def _callback_url(self, given: str | None, source: str) -> str | None:
        """Where none is given it is that of the application which was asked, if one was."""
        if not given:
            return self._message.callback_url
        try:
            return _absolute(given, source, _BAD_CALLBACK)
        except Problem as problem:
            self._remark(problem.code, f"nobody is told the status of a reply: {problem.message}")
            return None


def _absolute(url: str, source: str, code: int) -> str:
    """Raises Problem `code`."""
    try:
        absolute = urljoin(source, url)
        parse_url(absolute)
    except ValueError as error:  # InvalidUrl, or what urljoin cannot read
        raise Problem(code, value=url, reason=error) from None
    return absolute


def _extras(reply: Reply) -> dict[str, Any]:
    given = {"tags": list(reply.tags), "region": reply.region}
    return {name: value for name, value in given.items() if value}
