"""What follows from a carrier's answer, as a table: what is kept of it, and what is to be done next."""

from typing import Final

import pytest
from msgspec.structs import replace

from tidings.carriers.base import Accepted, Answer, NotSent, Rejected, Throttled, Uncertain
from tidings.carriers.smpp.carrier import SmppCarrier
from tidings.carriers.smpp.settings import SmppSettings
from tidings.clock import SECOND
from tidings.gateway.answers import Judge, UncertainPolicy
from tidings.gateway.ledger import Evidence
from tidings.gateway.limits import QueueDepths
from tidings.gateway.rates import HEAD_START, QueueSettings, Rates
from tidings.gateway.routes import Route, Routes
from tidings.lifecycle import Kind, SegmentState, Status
from tidings.model import Direction, Message, Segment, Standing
from tidings.store.base import Kept
from tidings.text import Encoding

MADE: Final = 1_790_000_000 * SECOND
NOW: Final = MADE + 60 * SECOND
HOLD, RESEND, FAIL = UncertainPolicy.HOLD, UncertainPolicy.RESEND, UncertainPolicy.FAIL
W, S, U, A = SegmentState.WAITING, SegmentState.SUBMITTING, SegmentState.UNCERTAIN, SegmentState.ACCEPTED
ID: Final = "5" * 32

ACCEPTED: Final = Accepted("0038601FA")
NEVER: Final = Rejected(21211, True, "RINVDSTADR (0x0b)", retries=3, after=9.0)
ELSEWHERE: Final = Rejected(30008, False, "RSYSERR (0x08)")
AGAIN: Final = Rejected(30008, False, "RSUBMITFAIL (0x45)", retries=2, after=1.5)
DOUBT: Final = Uncertain("no answer within 10 s")

RATES: Final = Rates(QueueSettings(first=("otp",)), QueueDepths())

Next = tuple[str, int | None, int]
"""(carrier, due_at, tries)"""


class At:
    def now(self) -> int:
        return NOW


def kept(states: tuple[SegmentState, ...] = (S,), *, carrier: str = "first", tries: int = 0) -> Kept:
    """A message whose parts stand like this; those a carrier has accepted have its name for them."""
    message = Message(
        ID,
        "0a" * 16,
        "twilio",
        Direction.OUTBOUND_API,
        "+15005550006",
        "+15551230000",
        "hello",
        Encoding.GSM7,
        len(states),
        None,
        None,
        MADE,
    )
    segments = [
        Segment(ID, part, state, carrier, carrier_id="7" if state is A else None)
        for part, state in enumerate(states, 1)
    ]
    return Kept(
        message, Standing(ID, Status.SENDING, 2, MADE, carrier=carrier, due_at=None, tries=tries), segments
    )


def carrier(name: str) -> SmppCarrier:
    return SmppCarrier(SmppSettings(name=name, host="127.0.0.1", system_id="us"))


def judged(
    kept: Kept, answer: Answer, *, policy: UncertainPolicy = HOLD, route: tuple[str, ...] = ("first", "second")
) -> tuple[list[Evidence], Next]:
    """What is kept of an answer to part 1, and what comes next."""
    judge = Judge(Routes([Route("+", route)] if route else []), RATES.place, At(), policy)
    standing = kept.standing
    said = list(judge.evidence(kept, 1, carrier(standing.carrier or ""), answer))
    return said, (standing.carrier or "", standing.due_at, standing.tries)


STAYS: Final[Next] = ("first", None, 0)
IN_ITS_PLACE: Final[Next] = ("first", MADE, 0)


@pytest.mark.parametrize(
    ("answer", "policy", "kinds", "errors", "following"),
    [
        (ACCEPTED, HOLD, [Kind.ACCEPTED], [None], STAYS),
        (Accepted(""), HOLD, [Kind.ACCEPTED], [None], STAYS),
        (NEVER, HOLD, [Kind.REFUSED], [21211], STAYS),
        (ELSEWHERE, HOLD, [Kind.DEFERRED], [None], ("second", MADE, 0)),
        (AGAIN, HOLD, [Kind.DEFERRED], [None], ("first", NOW + 1_500_000, 1)),
        (Throttled(5.0, "RTHROTTLED (0x58)"), HOLD, [Kind.DEFERRED], [None], IN_ITS_PLACE),
        (NotSent("the bind was lost"), HOLD, [Kind.DEFERRED], [None], IN_ITS_PLACE),
        (DOUBT, HOLD, [Kind.UNCERTAIN], [None], STAYS),
        (DOUBT, RESEND, [Kind.UNCERTAIN, Kind.DEFERRED], [None, None], IN_ITS_PLACE),
        (DOUBT, FAIL, [Kind.UNCERTAIN, Kind.ABANDONED], [None, 30410], STAYS),
    ],
)
def test_each_answer_has_its_evidence_and_its_next_step(
    answer: Answer, policy: UncertainPolicy, kinds: list[Kind], errors: list[int | None], following: Next
) -> None:
    said, after = judged(kept(), answer, policy=policy)
    assert [evidence.kind for evidence in said] == kinds
    assert [evidence.error for evidence in said] == errors
    assert {(evidence.part, evidence.detail["carrier"]) for evidence in said} == {(1, "first")}
    assert after == following


@pytest.mark.parametrize(
    ("answer", "policy"),
    [(Throttled(5.0, "full"), HOLD), (NotSent("lost"), HOLD), (ELSEWHERE, HOLD), (DOUBT, RESEND)],
)
def test_a_message_keeps_the_place_that_its_time_and_its_intent_give_it(
    answer: Answer, policy: UncertainPolicy
) -> None:
    scheduled, urgent = kept(), kept()
    scheduled.message = replace(scheduled.message, send_at=NOW - SECOND)
    urgent.message = replace(urgent.message, extras={"intent": "otp"})
    assert judged(scheduled, answer, policy=policy)[1][1] == NOW - SECOND
    assert judged(urgent, answer, policy=policy)[1][1] == MADE - HEAD_START


@pytest.mark.parametrize("policy", list(UncertainPolicy))
@pytest.mark.parametrize("answer", [ACCEPTED, NEVER, ELSEWHERE, AGAIN, Throttled(1.0, "full"), NotSent("lost")])
def test_the_policy_for_doubt_concerns_doubt_alone(answer: Answer, policy: UncertainPolicy) -> None:
    assert judged(kept(), answer, policy=policy) == judged(kept(), answer, policy=HOLD)


@pytest.mark.parametrize(
    ("answer", "tries", "on", "route", "kind", "following"),
    [
        # As often as the answer allows …
        (AGAIN, 0, "first", ("first", "second"), Kind.DEFERRED, ("first", NOW + 1_500_000, 1)),
        (AGAIN, 1, "first", ("first", "second"), Kind.DEFERRED, ("first", NOW + 1_500_000, 2)),
        # … then the next carrier, which begins to count anew …
        (AGAIN, 2, "first", ("first", "second"), Kind.DEFERRED, ("second", MADE, 0)),
        (AGAIN, 9, "first", ("first", "second"), Kind.DEFERRED, ("second", MADE, 0)),
        (ELSEWHERE, 0, "first", ("first", "second", "third"), Kind.DEFERRED, ("second", MADE, 0)),
        (ELSEWHERE, 0, "second", ("first", "second", "third"), Kind.DEFERRED, ("third", MADE, 0)),
        # … and the last one's no is final.
        (AGAIN, 2, "second", ("first", "second"), Kind.REFUSED, ("second", None, 2)),
        (ELSEWHERE, 0, "third", ("first", "second", "third"), Kind.REFUSED, ("third", None, 0)),
        (ELSEWHERE, 0, "first", ("first",), Kind.REFUSED, ("first", None, 0)),
        (ELSEWHERE, 0, "first", (), Kind.REFUSED, ("first", None, 0)),
        # A carrier that is no longer on the route gives way to the first on it.
        (ELSEWHERE, 0, "old", ("first", "second"), Kind.DEFERRED, ("first", MADE, 0)),
        # What no carrier would take is offered to none, and asked about no second time.
        (NEVER, 0, "first", ("first", "second"), Kind.REFUSED, ("first", None, 0)),
    ],
)
def test_a_refusal_is_tried_again_then_elsewhere_then_final(
    answer: Rejected, tries: int, on: str, route: tuple[str, ...], kind: Kind, following: Next
) -> None:
    (said,), after = judged(kept(carrier=on, tries=tries), answer, route=route)
    assert (said.kind, after) == (kind, following)
    assert said.detail["reason"] == answer.reason
    assert said.error == (answer.error if kind is Kind.REFUSED else None)
    assert said.detail.get("next") == (following[0] if following[0] != on else None)


@pytest.mark.parametrize(
    ("states", "answer", "kind", "following"),
    [
        ((S, W), ELSEWHERE, Kind.DEFERRED, ("second", MADE, 0)),
        # What a carrier has, or may have, a part of stays with it …
        ((S, A), ELSEWHERE, Kind.REFUSED, STAYS),
        ((S, U), ELSEWHERE, Kind.REFUSED, STAYS),
        ((U, W), ELSEWHERE, Kind.REFUSED, STAYS),
        ((S, W, W, A), ELSEWHERE, Kind.REFUSED, STAYS),
        # … and while that is not known yet, the part goes nowhere else …
        ((S, S, W), ELSEWHERE, Kind.DEFERRED, ("first", NOW, 0)),
        # … where it may be asked again all the same.
        ((S, A), AGAIN, Kind.DEFERRED, ("first", NOW + 1_500_000, 1)),
        ((S, U), AGAIN, Kind.DEFERRED, ("first", NOW + 1_500_000, 1)),
    ],
)
def test_parts_of_one_message_stay_with_one_carrier(
    states: tuple[SegmentState, ...], answer: Rejected, kind: Kind, following: Next
) -> None:
    (said,), after = judged(kept(states), answer)
    assert (said.kind, after) == (kind, following)


@pytest.mark.parametrize(
    ("carrier_id", "key"), [("0038601FA", "38601fa"), ("59113978", "59113978"), ("", None), (" \t", None)]
)
def test_an_acceptance_names_the_part_as_spelled_and_as_looked_up(carrier_id: str, key: str | None) -> None:
    (said,), _ = judged(kept(), Accepted(carrier_id))
    assert (said.carrier_id, said.carrier_key) == (carrier_id, key)
    assert said.detail["carrier_id"] == carrier_id


@pytest.mark.parametrize(
    ("answer", "word", "said_so"),
    [
        (Throttled(5.0, "RTHROTTLED (0x58)"), "throttled", "RTHROTTLED (0x58)"),
        (NotSent("the bind was lost"), "not_sent", "the bind was lost"),
        (DOUBT, "evidence", "no answer within 10 s"),
        (DOUBT, "policy", "hold"),
        (NEVER, "reason", "RINVDSTADR (0x0b)"),
    ],
)
def test_what_the_carrier_said_is_kept(answer: Answer, word: str, said_so: str) -> None:
    (said, *_), _ = judged(kept(), answer)
    assert said.detail[word] == said_so


@pytest.mark.parametrize("answer", [Throttled(5.0, "full"), NotSent("lost"), ACCEPTED, DOUBT])
def test_only_refusals_count_as_tries(answer: Answer) -> None:
    _, (_, _, tries) = judged(kept(tries=1), answer)
    assert tries == 1


def test_a_judge_changes_what_is_next_and_leaves_the_parts_to_the_ledger() -> None:
    message = kept((S, W))
    before = [replace(segment) for segment in message.segments]
    judged(message, ELSEWHERE)
    assert message.segments == before
    assert message.standing.status is Status.SENDING
