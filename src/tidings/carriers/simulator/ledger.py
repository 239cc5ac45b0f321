"""What the simulated carrier remembers of submissions: for query_sm, and for tests that count them.

`server` writes every submission down before it answers. The log is for proofs ("nothing was submitted twice"):
a line is with the operating system before the answer leaves, so it outlives any process, this one included.
"""

import os
from pathlib import Path

import msgspec

from tidings.carriers.simulator.behaviour import Answer, Behaviour, ReceiptPlan
from tidings.carriers.simulator.receipts import MESSAGE_STATES, NOT_FINAL
from tidings.carriers.simulator.segment import Segment
from tidings.carriers.smpp.pdu import QuerySmResp
from tidings.clock import SECOND, instant


class Submitted(msgspec.Struct, frozen=True):
    """One submit_sm that was read: a line of the log, and what an observer is told."""

    at: int
    system_id: str
    source: str
    destination: str
    text: str
    reference: int
    part: int
    parts: int
    message_id: str
    """"" where the message was refused."""
    answer: Answer
    status: int


def submitted(segment: Segment, system_id: str, message_id: str, behaviour: Behaviour) -> Submitted:
    return Submitted(
        at=segment.at,
        system_id=system_id,
        source=segment.message.source_addr,
        destination=segment.message.destination_addr,
        text=segment.text,
        reference=segment.concatenation.reference,
        part=segment.concatenation.part,
        parts=segment.concatenation.parts,
        message_id=message_id,
        answer=behaviour.answer,
        status=behaviour.status,
    )


class Log:
    """An append-only file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._encoder = msgspec.json.Encoder()

    def write(self, entry: Submitted) -> None:
        os.write(self._file, self._encoder.encode(entry) + b"\n")

    def close(self) -> None:
        os.close(self._file)


def read_log(path: Path) -> list[Submitted]:
    """What a log holds so far."""
    decoder = msgspec.json.Decoder(Submitted)
    return decoder.decode_lines(path.read_bytes())


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """A message the carrier took, and what it will come to."""

    at: int
    plans: tuple[ReceiptPlan, ...]
    """Whether or not their receipts were asked for."""


class Memory:
    """The latest accepted messages by the id they were given."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._accepted: dict[str, Accepted] = {}

    def add(self, message_id: str, accepted: Accepted) -> None:
        self._accepted[message_id] = accepted
        if len(self._accepted) > self._limit:
            del self._accepted[next(iter(self._accepted))]

    def state(self, message_id: str, now: int) -> QuerySmResp | None:
        """What query_sm is told: the latest thing that became of the message. None for an id not known."""
        accepted = self._accepted.get(message_id)
        if accepted is None:
            return None
        due = [(accepted.at + int(plan.after * SECOND), plan) for plan in accepted.plans]
        past = [(at, plan) for at, plan in due if at <= now]
        if not past:
            return QuerySmResp(message_id, "", MESSAGE_STATES["ENROUTE"], 0)
        at, plan = max(past, key=lambda moment: moment[0])
        return QuerySmResp(
            message_id,
            "" if plan.stat in NOT_FINAL else f"{instant(at):%y%m%d%H%M%S}000+",  # SMPP 3.4 §7.1.1
            MESSAGE_STATES.get(plan.stat, MESSAGE_STATES["UNKNOWN"]),
            int(plan.err) & 0xFF if plan.err.isdecimal() else 0,
        )
