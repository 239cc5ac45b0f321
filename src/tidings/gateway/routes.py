"""Which carriers a destination goes to, and in which order: the longest prefix wins."""

from collections.abc import Sequence
from typing import Final

import msgspec

DEFAULT_UNKNOWN_AFTER: Final = 3600


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    to: str
    """A prefix of the E.164 recipient; "+" is everywhere."""
    carriers: tuple[str, ...]
    """Names, the first is tried first."""
    unknown_after: int = DEFAULT_UNKNOWN_AFTER
    """Seconds without news after `sent` until delivery is called unknown; the status stays `sent`."""


class Routes:
    def __init__(self, routes: Sequence[Route]) -> None:
        self._by_prefix = {route.to: route for route in routes}
        self._lengths = sorted({len(route.to) for route in routes}, reverse=True)

    def find(self, recipient: str) -> Route | None:
        """The route of a recipient; None where nobody carries it."""
        for length in self._lengths:
            route = self._by_prefix.get(recipient[:length])
            if route is not None:
                return route
        return None

    def unknown_after(self, recipient: str) -> int:
        """Seconds after which a message to `recipient` that has heard nothing counts as unknown."""
        route = self.find(recipient)
        return DEFAULT_UNKNOWN_AFTER if route is None else route.unknown_after

    def after(self, recipient: str, carrier: str) -> str | None:
        """The carrier to try when `carrier` would not; the first where `carrier` is no longer on the route."""
        route = self.find(recipient)
        if route is None:
            return None
        if carrier not in route.carriers:
            return route.carriers[0]
        following = route.carriers[route.carriers.index(carrier) + 1 :]
        return following[0] if following else None
