"""Which carriers a destination goes to, in which order, and at what price: the longest prefix wins."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tidings.model import Channel

DEFAULT_UNKNOWN_AFTER: Final = 3600


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    to: str
    """A prefix of the E.164 recipient; "+" is everywhere."""
    carriers: tuple[str, ...]
    """Names, the first is tried first."""
    unknown_after: int = DEFAULT_UNKNOWN_AFTER
    """Seconds without news after `sent` until delivery is called unknown; the status stays `sent`."""
    price: Annotated[float, Meta(ge=0)] | None = None
    """USD for each segment of a text message; unset: messages have no price."""
    media_price: Annotated[float, Meta(ge=0)] | None = None
    """USD for a media message."""


ONLY_TEXT: Final = frozenset({Channel.SMS})


class Routes:
    def __init__(self, routes: Sequence[Route], channels: Mapping[str, frozenset[Channel]] | None = None) -> None:
        """`channels`: what each carrier takes, by its name; a carrier that is not in it takes text messages."""
        self._channels = channels or {}
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

    def first(self, recipient: str, channel: Channel) -> str | None:
        """The carrier to try first; None where nobody carries such messages there."""
        route = self.find(recipient)
        return None if route is None else self._first(route.carriers, channel)

    def after(self, recipient: str, carrier: str, channel: Channel) -> str | None:
        """The carrier to try when `carrier` would not; the first where `carrier` is no longer on the route."""
        route = self.find(recipient)
        if route is None:
            return None
        if carrier not in route.carriers:
            return self._first(route.carriers, channel)
        return self._first(route.carriers[route.carriers.index(carrier) + 1 :], channel)

    def _first(self, carriers: Sequence[str], channel: Channel) -> str | None:
        return next((name for name in carriers if channel in self._channels.get(name, ONLY_TEXT)), None)

    def takes(self, channel: Channel) -> bool:
        """Whether any route leads to a carrier that takes such messages."""
        return any(self._first(route.carriers, channel) is not None for route in self._by_prefix.values())


def price(route: Route, channel: Channel, segments: int) -> int | None:
    """What a message costs, in micro-USD."""
    each = route.price if channel is Channel.SMS else route.media_price
    return None if each is None else round(each * 1_000_000) * (segments if channel is Channel.SMS else 1)
