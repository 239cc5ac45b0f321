"""What follows from a carrier's answer: the one place that decides whether to try again, elsewhere or never.

    Accepted     the segment has a name; receipts parked under it are tried again
    Rejected     permanent: refused. Otherwise asked again as often as the answer allows, then the next carrier,
                 where the message keeps its place
    Throttled    the message keeps its place; no attempt is counted
    NotSent      the message keeps its place; a carrier that stays down hands it to the next on the route
    Uncertain    by policy: held (default), sent again, or failed (30410)

What is to be done next (`due_at`, `carrier`, `tries` of the standing) is set here and kept with the evidence, in
one commit. The dispatcher asks.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from tidings.carriers.base import Accepted, Answer, Carrier, NotSent, Rejected, Throttled, Uncertain
from tidings.clock import SECOND, Clock
from tidings.gateway.ledger import Evidence
from tidings.gateway.routes import Routes
from tidings.lifecycle import Kind, SegmentState
from tidings.model import Message
from tidings.store.base import Kept


class UncertainPolicy(StrEnum):
    HOLD = "hold"
    """Wait for its receipt or a late answer, for ever."""
    RESEND = "resend"
    """Submit again: the recipient may get it twice."""
    FAIL = "fail"
    """Give it up with 30410: the recipient may have it all the same."""


class Judge:
    def __init__(
        self, routes: Routes, place: Callable[[Message], int], clock: Clock, policy: UncertainPolicy
    ) -> None:
        """`place`: where a message stands in its queue (`Rates.place`)."""
        self._routes = routes
        self._place = place
        self._clock = clock
        self.policy = policy

    def evidence(self, kept: Kept, part: int, carrier: Carrier, answer: Answer) -> Iterable[Evidence]:
        """What an answer says of a part; sets what is to be done next."""
        detail: dict[str, Any] = {"carrier": carrier.name}
        match answer:
            case Accepted():
                detail["carrier_id"] = answer.carrier_id
                key = carrier.key(answer.carrier_id) or None
                yield Evidence(Kind.ACCEPTED, detail, part, carrier_id=answer.carrier_id, carrier_key=key)
            case Rejected():
                yield self._rejected(kept, part, answer, detail | {"reason": answer.reason})
            case Throttled():
                kept.standing.due_at = self._place(kept.message)
                yield Evidence(Kind.DEFERRED, detail | {"throttled": answer.reason, "ends_as": answer.error}, part)
            case NotSent():
                kept.standing.due_at = self._place(kept.message)
                yield Evidence(Kind.DEFERRED, detail | {"not_sent": answer.reason}, part)
            case Uncertain():
                yield from self.doubt(kept, part, detail | {"evidence": answer.evidence})

    def _rejected(self, kept: Kept, part: int, answer: Rejected, detail: dict[str, Any]) -> Evidence:
        standing, now = kept.standing, self._clock.now()
        if not answer.permanent and standing.tries < answer.retries:
            standing.tries += 1
            standing.due_at = now + int(answer.after * SECOND)
            return Evidence(Kind.DEFERRED, detail, part)
        following = self._routes.after(kept.message.recipient, detail["carrier"], kept.message.channel)
        # What a carrier has a part of stays with it: handsets join parts of one reference only.
        elsewhere = any(s.carrier_id is not None or s.state is SegmentState.UNCERTAIN for s in kept.segments)
        if answer.permanent or following is None or elsewhere:
            standing.due_at = None
            return Evidence(Kind.REFUSED, detail, part, answer.error)
        if any(s.state is SegmentState.SUBMITTING and s.part != part for s in kept.segments):
            # Whether it may have a part already is not known yet: this one asks it again.
            standing.due_at = now + int(answer.after * SECOND)
            return Evidence(Kind.DEFERRED, detail, part)
        standing.carrier, standing.due_at, standing.tries = following, self._place(kept.message), 0
        return Evidence(Kind.DEFERRED, detail | {"next": following}, part)

    def doubt(self, kept: Kept, part: int, detail: dict[str, Any]) -> Iterable[Evidence]:
        """What follows when nobody knows whether a carrier has a part."""
        carrier = {"carrier": detail["carrier"]}
        yield Evidence(Kind.UNCERTAIN, detail | {"policy": self.policy.value}, part)
        if self.policy is UncertainPolicy.FAIL:
            yield Evidence(Kind.ABANDONED, carrier, part, 30410)
        elif self.policy is UncertainPolicy.RESEND:
            kept.standing.due_at = self._place(kept.message)
            yield Evidence(Kind.DEFERRED, carrier | {"resend": True}, part)
