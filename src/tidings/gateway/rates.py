"""How fast each sender may send, and how much may wait for it: by what kind of sender it is, and where to.

The dispatcher asks how long a sender pauses after a message, `submit` and `services` how much it still has to do.
"""

from functools import lru_cache
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tidings import phone
from tidings.clock import DAY, SECOND
from tidings.gateway.limits import QueueDepths
from tidings.model import Message
from tidings.phone import SenderKind

HEAD_START: Final = 20 * 365 * DAY
"""How much earlier a message counts as due that overtakes all others of its sender."""

Rate = Annotated[float, Meta(ge=0)]


class QueueSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rates are segments a second for each sender; 0: as fast as its carrier takes them. A media message counts as
    one segment. Twilio's figures are in docs/sending.md."""

    long_code: Rate = 0
    """Of a number, to its own country."""
    toll_free: Rate = 0
    """Of a toll-free number, to its own country (the countries of +1 count as one)."""
    short_code: Rate = 0
    alphanumeric: Rate = 0
    abroad: Rate = 0
    """Of a number of either kind, to another country than its own."""
    hours: Annotated[float, Meta(gt=0)] = 10.0
    """Of its traffic that may wait for a sender with a rate; more is refused (21611, or 30001 of a service)."""
    first: tuple[str, ...] = ()
    """`MessageIntent`s whose messages overtake all others that wait for the same sender: ["otp"]."""


class Rates:
    def __init__(self, settings: QueueSettings, depths: QueueDepths) -> None:
        self._settings = settings
        self._depths = depths
        self._longest = settings.hours * 3600
        """Seconds of a sender's traffic that may wait for it."""
        self._are_any = any(
            (settings.long_code, settings.toll_free, settings.short_code, settings.alphanumeric, settings.abroad)
        )
        self._of = lru_cache(maxsize=16_384)(self._rates_of)

    def paces(self, sender: str) -> bool:
        """Whether there is anywhere that the sender may not send to as fast as it can."""
        return self._are_any and any(self._of(sender))

    def rate(self, sender: str, recipient: str) -> float:
        """Segments a second; 0: no limit."""
        if not self._are_any:
            return 0.0
        at_home, abroad = self._of(sender)
        if at_home == abroad or _is_home(sender, recipient):
            return at_home
        return abroad

    def pause(self, message: Message) -> int:
        """Microseconds that its sender waits after a message."""
        rate = self.rate(message.sender, message.recipient)
        return round(message.segments / rate * SECOND) if rate else 0

    def backlog(self, account_id: str, sender: str, recipient: str) -> float:
        """How long a message to `recipient` would wait: seconds, or segments before it where there is no rate."""
        rate, waiting = self.rate(sender, recipient), self._depths.waiting(account_id, sender)
        return waiting / rate if rate else float(waiting)

    def full(self, account_id: str, sender: str, recipient: str, limit: int) -> bool:
        """Whether nothing more may wait for a sender. `limit`: its own, in segments; 0: what its rate makes it."""
        most = limit or self.rate(sender, recipient) * self._longest
        return bool(most) and self._depths.waiting(account_id, sender) >= most

    def is_first(self, intent: str) -> bool:
        """Whether messages that are sent for this (`MessageIntent`) overtake others."""
        return intent in self._settings.first

    def place(self, message: Message) -> int:
        """Where a message stands in its sender's queue: what its `due_at` is, unless it is to wait for longer."""
        return message.ready_at - HEAD_START * self.is_first(message.extras.get("intent", ""))

    def _rates_of(self, sender: str) -> tuple[float, float]:
        """(to its own country, to others)"""
        settings = self._settings
        match phone.sender_kind(sender):
            case SenderKind.SHORT_CODE:
                return settings.short_code, settings.short_code
            case SenderKind.ALPHANUMERIC:
                return settings.alphanumeric, settings.alphanumeric
            case SenderKind.NUMBER if phone.e164(sender) is None:  # no country has such numbers
                return settings.abroad, settings.abroad
            case SenderKind.NUMBER if settings.toll_free != settings.long_code and phone.is_toll_free(sender):
                return settings.toll_free, settings.abroad
            case SenderKind.NUMBER:
                return settings.long_code, settings.abroad
            case None:
                return 0.0, 0.0


def _is_home(sender: str, recipient: str) -> bool:
    """Whether both numbers are of one country, as far as rates go."""
    if sender.startswith("+1"):
        return recipient.startswith("+1")
    return phone.country(sender) == phone.country(recipient)
