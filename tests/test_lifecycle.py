"""The table, told once more as the promises it makes."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.lifecycle import FINAL, FORWARD, SEGMENTS, WHOLE, Kind, SegmentState, Status, advance, fold

W, S, U = SegmentState.WAITING, SegmentState.SUBMITTING, SegmentState.UNCERTAIN
A, R = SegmentState.ACCEPTED, SegmentState.REFUSED
D, N = SegmentState.DELIVERED, SegmentState.UNDELIVERED

RANK = {
    Status.ACCEPTED: 0,
    Status.SCHEDULED: 0,
    Status.RECEIVING: 0,
    Status.QUEUED: 1,
    Status.SENDING: 2,
    Status.SENT: 3,
    Status.UNDELIVERED: 4,
    Status.FAILED: 5,
    Status.CANCELED: 5,
    Status.RECEIVED: 5,
    Status.DELIVERED: 5,
    Status.READ: 6,
}
RECEIPTS = (Kind.DELIVERED, Kind.UNDELIVERED, Kind.PROGRESS, Kind.UNKNOWN, Kind.UNRECOGNISED)

histories = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(Kind)), max_size=40)


class Told:
    """A message whose evidence is folded as the ledger folds it, and every status it has had."""

    def __init__(self, parts: int = 1) -> None:
        self.states = [W] * parts
        self.statuses = [Status.QUEUED]
        self.ever: set[SegmentState] = {W}

    def status(self) -> Status:
        return self.statuses[-1]

    def hear(self, kind: Kind, part: int = 0) -> bool:
        state = advance(self.states[part], kind)
        if state is None:
            return False
        self.states[part] = state
        self.ever.add(state)
        after = fold(self.status(), self.states)
        if after is not self.status():
            self.statuses.append(after)
        return True

    def hear_all(self, *kinds: Kind, part: int = 0) -> "Told":
        for kind in kinds:
            self.hear(kind, part)
        return self


def sent(parts: int = 1) -> Told:
    message = Told(parts)
    for part in range(parts):
        message.hear_all(Kind.INTENT, Kind.ACCEPTED, part=part)
    return message


@pytest.mark.parametrize(
    ("kinds", "statuses"),
    [
        ([Kind.INTENT, Kind.ACCEPTED, Kind.DELIVERED], ["queued", "sending", "sent", "delivered"]),
        ([Kind.INTENT, Kind.ACCEPTED, Kind.UNDELIVERED], ["queued", "sending", "sent", "undelivered"]),
        ([Kind.INTENT, Kind.REFUSED], ["queued", "sending", "failed"]),
        ([Kind.INTENT, Kind.DEFERRED, Kind.INTENT, Kind.ACCEPTED], ["queued", "sending", "sent"]),
        ([Kind.INTENT, Kind.DEFERRED, Kind.EXPIRED], ["queued", "sending", "failed"]),
        ([Kind.EXPIRED], ["queued", "failed"]),
        ([Kind.REFUSED], ["queued", "failed"]),
        ([Kind.INTENT, Kind.UNCERTAIN], ["queued", "sending"]),
        ([Kind.INTENT, Kind.UNCERTAIN, Kind.UNCERTAIN], ["queued", "sending"]),
        ([Kind.INTENT, Kind.UNCERTAIN, Kind.ACCEPTED], ["queued", "sending", "sent"]),
        ([Kind.INTENT, Kind.UNCERTAIN, Kind.REFUSED], ["queued", "sending", "failed"]),
        ([Kind.INTENT, Kind.UNCERTAIN, Kind.ABANDONED], ["queued", "sending", "failed"]),
        ([Kind.INTENT, Kind.UNCERTAIN, Kind.DEFERRED, Kind.INTENT, Kind.ACCEPTED], ["queued", "sending", "sent"]),
    ],
)
def test_the_way_of_one_segment(kinds: list[Kind], statuses: list[str]) -> None:
    assert Told().hear_all(*kinds).statuses == statuses


@pytest.mark.parametrize("kind", [Kind.PROGRESS, Kind.UNKNOWN, Kind.UNRECOGNISED])
def test_enroute_accepted_and_unknown_are_never_delivered(kind: Kind) -> None:
    message = sent().hear_all(kind, kind)
    assert message.status() is Status.SENT
    message.hear(Kind.DELIVERED)
    assert message.status() is Status.DELIVERED
    assert not message.hear(kind)
    assert message.status() is Status.DELIVERED


def test_undelivered_after_delivered_is_refused() -> None:
    message = sent().hear_all(Kind.DELIVERED)
    assert not message.hear(Kind.UNDELIVERED)
    assert message.status() is Status.DELIVERED


def test_delivered_after_undelivered_is_believed_once() -> None:
    message = sent().hear_all(Kind.UNDELIVERED)
    assert message.hear(Kind.DELIVERED)
    assert not message.hear(Kind.UNDELIVERED)
    assert not message.hear(Kind.DELIVERED)
    assert message.statuses[-3:] == [Status.SENT, Status.UNDELIVERED, Status.DELIVERED]


@pytest.mark.parametrize("kind", [Kind.DELIVERED, Kind.UNDELIVERED])
def test_the_same_receipt_again_changes_nothing(kind: Kind) -> None:
    message = sent().hear_all(kind)
    assert not message.hear(kind)


def test_a_late_acceptance_changes_nothing_after_a_receipt() -> None:
    message = sent().hear_all(Kind.DELIVERED)
    assert not message.hear(Kind.ACCEPTED)
    assert message.status() is Status.DELIVERED


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([A, A, A], Status.SENT),
        ([A, A, S], Status.SENDING),
        ([A, A, W], Status.SENDING),
        ([A, A, U], Status.SENDING),
        ([D, A, A], Status.SENT),
        ([D, D, A], Status.SENT),
        ([D, D, D], Status.DELIVERED),
        ([D, D, N], Status.UNDELIVERED),
        ([N, A, S], Status.UNDELIVERED),
        ([R, R, R], Status.FAILED),
        ([R, W, W], Status.FAILED),
        ([R, S, W], Status.SENDING),
        ([R, U, W], Status.SENDING),
        ([R, A, W], Status.UNDELIVERED),
        ([R, D, D], Status.UNDELIVERED),
    ],
)
def test_a_message_is_the_fold_of_its_segments(states: list[SegmentState], status: Status) -> None:
    # The acceptance of the last part has made it `sent` before the last receipt can make it `delivered`.
    before = Status.SENT if status is Status.DELIVERED else Status.SENDING
    for order in set(permutations(states)):
        assert fold(before, order) is status


def test_one_of_three_delivered_is_not_delivered() -> None:
    message = sent(3)
    assert message.hear(Kind.DELIVERED, part=0)
    assert message.status() is Status.SENT
    assert message.hear(Kind.DELIVERED, part=2)
    assert message.status() is Status.SENT
    assert message.hear(Kind.DELIVERED, part=1)
    assert message.status() is Status.DELIVERED


@given(st.permutations([0, 1, 2, 3]), st.sets(st.integers(0, 3)))
def test_part_receipts_in_any_order_come_to_the_same_end(order: list[int], bad: set[int]) -> None:
    message = sent(4)
    for part in order:
        message.hear(Kind.UNDELIVERED if part in bad else Kind.DELIVERED, part)
    assert message.status() is (Status.UNDELIVERED if bad else Status.DELIVERED)


@given(histories)
def test_no_evidence_ever_moves_a_message_back(history: list[tuple[int, Kind]]) -> None:
    message = Told(3)
    for part, kind in history:
        message.hear(kind, part)
    ranks = [RANK[status] for status in message.statuses]
    assert ranks == sorted(set(ranks))


@given(histories)
def test_failed_means_that_no_carrier_accepted_any_part(history: list[tuple[int, Kind]]) -> None:
    message = Told(3)
    for part, kind in history:
        message.hear(kind, part)
        if message.status() is Status.FAILED:
            assert not message.ever & {A, D, N}
            return


@given(histories)
def test_delivered_means_a_good_receipt_for_every_part(history: list[tuple[int, Kind]]) -> None:
    message = Told(3)
    good: set[int] = set()
    for part, kind in history:
        if message.hear(kind, part) and kind is Kind.DELIVERED:
            good.add(part)
    assert (message.status() is Status.DELIVERED) == (message.states == [D, D, D])
    if message.status() is Status.DELIVERED:
        assert good == {0, 1, 2}


@given(histories)
def test_what_is_settled_is_not_unsettled(history: list[tuple[int, Kind]]) -> None:
    message = Told(3)
    for part, kind in history:
        before = message.states[part]
        message.hear(kind, part)
        assert before not in (R, D) or message.states[part] is before
        assert before is not N or message.states[part] in (N, D)


def test_a_segment_in_doubt_is_never_called_refused_by_a_receipt_or_a_clock() -> None:
    for state in (S, U):
        for kind in (*RECEIPTS, Kind.EXPIRED, Kind.CANCELED):
            assert advance(state, kind) is None


def test_forward_knows_every_status_and_never_points_back() -> None:
    assert set(FORWARD) == set(Status) == set(RANK)
    for status, following in FORWARD.items():
        assert all(RANK[after] > RANK[status] for after in following)
        # Of a final status only handset evidence and a read receipt say more.
        assert status not in FINAL or following <= {Status.DELIVERED, Status.READ}


def test_every_state_but_waiting_can_be_reached_and_fold_reads_each() -> None:
    assert set(SEGMENTS.values()) == set(SegmentState)
    expected = {
        W: Status.QUEUED,
        S: Status.SENDING,
        U: Status.SENDING,
        A: Status.SENT,
        R: Status.FAILED,
        D: Status.DELIVERED,
        N: Status.UNDELIVERED,
    }
    for state, status in expected.items():
        for before in Status:
            assert fold(before, [state]) is (status if status in FORWARD[before] else before)


# --- messages without segments of their own
@pytest.mark.parametrize(("before", "kind"), list(WHOLE))
def test_a_message_without_segments_only_moves_forward(before: Status, kind: Kind) -> None:
    assert WHOLE[before, kind] in FORWARD[before]


@pytest.mark.parametrize("status", FINAL)
def test_what_has_ended_is_moved_by_nothing(status: Status) -> None:
    assert not [kind for kind in Kind if (status, kind) in WHOLE]


@pytest.mark.parametrize("begins", [Status.ACCEPTED, Status.SCHEDULED])
def test_what_waits_for_its_sender_is_queued_or_fails(begins: Status) -> None:
    assert WHOLE[begins, Kind.QUEUED] is Status.QUEUED
    assert WHOLE[begins, Kind.REFUSED] is Status.FAILED


def test_only_what_is_scheduled_can_be_canceled() -> None:
    assert [before for before, kind in WHOLE if kind is Kind.CANCELED] == [Status.SCHEDULED]
