"""The requests of one account that are being answered, and that they do not become too many (Twilio 20429).

`auth` lets in whoever it has recognised, before anything is done; `wire.Endpoint` lets out what it has answered.
"""

from tidings.errors import Problem


class Crowd:
    """One account's."""

    __slots__ = ("_inside", "_limit")

    def __init__(self, limit: int) -> None:
        """`limit`: how many requests there may be; 0: any number."""
        self._limit = limit
        self._inside: set[object] = set()

    def __len__(self) -> int:
        return len(self._inside)

    def join(self, request: object) -> None:
        """Let it in, once however often it comes. Raises Problem 20429 where it would be one too many."""
        if 0 < self._limit <= len(self._inside) and request not in self._inside:
            raise Problem(20429)
        self._inside.add(request)

    def leave(self, request: object) -> None:
        """Nothing happens where it never was inside."""
        self._inside.discard(request)
