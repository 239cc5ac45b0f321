"""The counter where segments are handed in: each meets its behaviour here, is named, noted and answered.

`server` passes every submit_sm and query_sm on. Whatever is due later, the answer or a receipt, waits in `timers`.
"""

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Final

from tidings.carriers.simulator import ledger, segment
from tidings.carriers.simulator.behaviour import Answer, Behaviour, ReceiptPlan, spell
from tidings.carriers.simulator.connection import Connection
from tidings.carriers.simulator.counts import Counts
from tidings.carriers.simulator.ledger import Accepted, Memory, Submitted
from tidings.carriers.simulator.outbox import Delivery
from tidings.carriers.simulator.pressure import Pressure
from tidings.carriers.simulator.receipts import OVERRUN, receipt, wanted
from tidings.carriers.simulator.scenario import Scenario
from tidings.carriers.simulator.script import Script
from tidings.carriers.simulator.segment import Segment
from tidings.carriers.simulator.timers import Timers
from tidings.carriers.smpp.link import RSYSERR
from tidings.carriers.smpp.pdu import Command, MessageIdResp, Pdu, QuerySm, ShortMessage, encode
from tidings.clock import SECOND, Clock

RINVMSGID: Final = 0x0C
AS_TOLD: Final = "as the scenario says"
NACKS: Final = (Answer.NACK, Answer.NACK_UNNUMBERED)


class Submissions:
    def __init__(
        self,
        scenario: Scenario,
        *,
        clock: Clock,
        timers: Timers,
        counts: Counts,
        remembered: int,
        tell: Callable[[Submitted], None] | None,
    ) -> None:
        """`remembered`: messages query_sm knows; `tell` hears of every submission before its answer."""
        self._clock = clock
        self._timers = timers
        self._counts = counts
        self._script = Script(scenario)
        self._pressure = Pressure(scenario.faults)
        self._next_number = _first_number(scenario.seed, clock)
        self._memory = Memory(remembered)
        self._tell = tell

    def submit(self, connection: Connection, request: Pdu) -> None:
        assert isinstance(request.body, ShortMessage)
        now = self._clock.now()
        submission = segment.read(request, request.body, now)
        status = self._pressure.status(now, connection.pending)
        behaviour = Behaviour(status=status) if status else self._script.behaviour(submission)
        self._counts.submitted += 1
        message_id = ""
        if behaviour.status or behaviour.answer in NACKS:
            self._counts.refused += 1
        else:
            message_id = self._keep(connection, submission, behaviour)
        if self._tell:
            self._tell(ledger.submitted(submission, connection.system_id, message_id, behaviour))
        if behaviour.delay:
            connection.pending += 1
            act = partial(self._answer_late, connection, request, behaviour, message_id)
            self._timers.at(now + int(behaviour.delay * SECOND), act)
        else:
            self._answer(connection, request, behaviour, message_id)

    def query(self, connection: Connection, request: Pdu) -> None:
        assert isinstance(request.body, QuerySm)
        message_id = request.body.message_id
        state = self._memory.state(message_id, self._clock.now())
        if state is None:
            connection.link.respond(request, RINVMSGID)
        else:
            connection.link.respond(request, 0, state)

    def _keep(self, connection: Connection, submission: Segment, behaviour: Behaviour) -> str:
        """Take a segment: name it, and plan its receipts. Returns its id."""
        number = self._next_number
        self._next_number += 1
        message_id = spell(behaviour.id, number, str(number), submission.message.destination_addr)
        self._counts.accepted += 1
        part = submission.concatenation.part
        plans = tuple([plan for plan in behaviour.receipts if not plan.parts or part in plan.parts])
        self._memory.add(message_id, Accepted(submission.at, plans))
        for plan in plans:
            if wanted(submission.message.registered_delivery, plan):
                act = partial(self._deliver, connection, plan, submission, number, message_id)
                self._timers.at(submission.at + int(plan.after * SECOND), act)
        return message_id

    def _answer_late(self, connection: Connection, request: Pdu, behaviour: Behaviour, message_id: str) -> None:
        connection.pending -= 1
        self._answer(connection, request, behaviour, message_id)

    def _answer(self, connection: Connection, request: Pdu, behaviour: Behaviour, message_id: str) -> None:
        link = connection.link
        match behaviour.answer:
            case Answer.RESPOND:
                link.write(_response(request.sequence, behaviour, message_id))
            case Answer.NACK:
                link.nack(behaviour.status or RSYSERR, request.sequence)
            case Answer.NACK_UNNUMBERED:
                link.nack(behaviour.status or RSYSERR, 0)
            case Answer.NONE:
                connection.pending += 1
            case Answer.CLOSE:
                link.close(AS_TOLD)
            case Answer.RECONNECT:
                connection.outbox.owed_answers.append(_response(request.sequence, behaviour, message_id))
                link.close(AS_TOLD)
            case Answer.UNBIND:
                connection.unbind(AS_TOLD)

    def _deliver(
        self, connection: Connection, plan: ReceiptPlan, submission: Segment, number: int, message_id: str
    ) -> None:
        command, body = receipt(plan, submission, number, message_id, self._clock.now())
        for _ in range(plan.copies):
            connection.outbox.send(Delivery(command, body, connection.link, plan.via))


def _first_number(seed: int | None, clock: Clock) -> int:
    """Ids count up from here: the time, so that no restart repeats one, or what the seed makes of it."""
    if seed is None:
        return clock.now()
    return 10**9 + int.from_bytes(blake2b(str(seed).encode(), digest_size=4).digest())


def _response(sequence: int, behaviour: Behaviour, message_id: str) -> bytes:
    """submit_sm_resp; an error has no body (SMPP 3.4 §4.4.2)."""
    body = None if behaviour.status else MessageIdResp(message_id)
    frame = encode(Command.SUBMIT_SM_RESP, sequence, body, status=behaviour.status)
    if behaviour.tlv_overrun:
        frame += OVERRUN
        frame = len(frame).to_bytes(4) + frame[4:]
    if behaviour.command_length:
        frame = behaviour.command_length.to_bytes(4) + frame[4:]
    return frame
