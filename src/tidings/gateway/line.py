"""Whose turn it is: accounts go round, and within each of them its queues. A lane has such lines.

However much one account has waiting, another is only as far from its turn as there are accounts.
"""

from collections import OrderedDict
from typing import Generic, Protocol, TypeVar


class Standing(Protocol):
    """Whoever stands in line."""

    @property
    def account(self) -> str: ...


Q = TypeVar("Q", bound=Standing)


class Line(Generic[Q]):
    def __init__(self) -> None:
        self._accounts: OrderedDict[str, OrderedDict[Q, None]] = OrderedDict()

    def __bool__(self) -> bool:
        """Whether anybody stands in line."""
        return bool(self._accounts)

    def __contains__(self, account: str) -> bool:
        """Whether any of an account's queues do."""
        return account in self._accounts

    def first(self) -> Q | None:
        """Whose turn it is, until `turn` or `leave`; None where nobody stands in line."""
        if not self._accounts:
            return None
        return next(iter(next(iter(self._accounts.values()))))

    def join(self, queue: Q) -> None:
        """Stand in line, where it does not yet."""
        queues = self._accounts.get(queue.account)
        if queues is None:
            queues = self._accounts[queue.account] = OrderedDict()
        queues.setdefault(queue)

    def turn(self, queue: Q) -> None:
        """It has had its turn, and so has its account."""
        self._accounts[queue.account].move_to_end(queue)
        self._accounts.move_to_end(queue.account)

    def leave(self, queue: Q) -> None:
        """Stand in line no longer, where it does."""
        queues = self._accounts.get(queue.account)
        if queues is None or queue not in queues:
            return
        del queues[queue]
        if not queues:
            del self._accounts[queue.account]
