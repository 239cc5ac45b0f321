"""Which senders of a pool suit a recipient best: pure, and in the order that Twilio documents for its services.

First the kind of sender: short codes of the recipient's country, then names, then numbers. Among names one that is
meant for that country goes before those for all. Among numbers one of that country goes first, then a US number,
then any; where a service asks for it, a number of the recipient's own area code goes before others of the country,
and to Canada toll-free numbers go before long codes. `services` decides between those that suit equally well.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from tidings import phone
from tidings.gateway.area_codes import area_code, local_codes
from tidings.phone import SenderKind

NO_NAMES: Final = frozenset({"US", "CA"})
"""Countries in which no message can be from a name."""
TOLL_FREE: Final = frozenset({"US", "CA"})
"""Countries that numbers of North America which are free to call can send to; they are at home in each."""


class Candidate(msgspec.Struct, frozen=True):
    """A sender of a pool."""

    address: str
    kind: SenderKind
    country: str | None
    """ISO 3166 code: a number's, a short code's, the only one that a name is meant for; None: any, or unknown."""
    toll_free: bool = False
    queue_limit: int = 0
    """`Sender.queue_limit`."""


class Destination(msgspec.Struct, frozen=True):
    country: str | None
    local: frozenset[str]
    """Area codes that are local there, where these count."""
    media: bool


def destination(recipient: str, *, geomatch: bool, media: bool) -> Destination:
    code = area_code(recipient) if geomatch else None
    return Destination(phone.country(recipient), local_codes(code) if code else frozenset(), media)


def suited(candidates: Sequence[Candidate], to: Destination) -> list[Candidate]:
    """The best there are, which are as good as each other; none where none can reach `to`."""
    ranked = [(rank, one) for one in candidates if (rank := _rank(one, to)) is not None]
    best = min((rank for rank, _ in ranked), default=None)
    return [one for rank, one in ranked if rank == best]


def keeps(sticky: Candidate, best: Sequence[Candidate], to: Destination) -> bool:
    """Whether a recipient goes on hearing from the sender it is used to, where `best` would suit as well or
    better: unless that cannot reach it, or is a foreigner and a sender of its own country has come."""
    if _rank(sticky, to) is None:
        return False
    return _at_home(sticky, to) or not any(_at_home(one, to) for one in best)


def _rank(one: Candidate, to: Destination) -> tuple[int, ...] | None:
    """The lower, the better; None: it cannot reach the recipient."""
    match one.kind:
        case SenderKind.SHORT_CODE:
            return (0,) if one.country == to.country else None
        case SenderKind.ALPHANUMERIC:
            if to.media or to.country in NO_NAMES or one.country not in (None, to.country):
                return None
            return (1, one.country is None)
        case SenderKind.NUMBER:
            if one.toll_free and to.country not in TOLL_FREE:
                return None
            home = 0 if _at_home(one, to) else 1 if one.country == "US" else 2
            return (2, to.country == "CA" and not one.toll_free, home, not _is_local(one, to))


def _at_home(one: Candidate, to: Destination) -> bool:
    return one.country == to.country or (one.toll_free and to.country in TOLL_FREE)


def _is_local(one: Candidate, to: Destination) -> bool:
    return not to.local or area_code(one.address) in to.local
