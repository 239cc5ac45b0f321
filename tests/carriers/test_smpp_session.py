"""The session's two tables."""

import pytest

from tidings.carriers.smpp.pdu import RESPONSE, Command
from tidings.carriers.smpp.session import BINDS, BOUND, MAY_SEND, Role, State, after


def test_states_follow_the_pdus_that_pass() -> None:
    walk = [
        (Command.BIND_TRANSMITTER, 0, State.BINDING),
        (Command.BIND_TRANSMITTER_RESP, 0x0E, State.OPEN),
        (Command.BIND_RECEIVER, 0, State.BINDING),
        (Command.BIND_RECEIVER_RESP, 0, State.BOUND_RX),
        (Command.ENQUIRE_LINK, 0, State.BOUND_RX),
        (Command.UNBIND, 0, State.UNBINDING),
        (Command.UNBIND_RESP, 0, State.CLOSED),
    ]
    state = State.OPEN
    for command, status, expected in walk:
        state = after(state, command, status)
        assert state == expected, command


@pytest.mark.parametrize("bind", sorted(BINDS))
def test_good_answer_to_a_bind_binds_and_a_bad_one_opens_again(bind: Command) -> None:
    assert after(State.OPEN, bind, 0) is State.BINDING
    assert after(State.BINDING, bind | RESPONSE, 0) in BOUND
    assert after(State.BINDING, bind | RESPONSE, 0x0D) is State.OPEN


def test_every_state_has_a_row_for_both_roles() -> None:
    assert all(set(MAY_SEND[role]) == set(State) for role in Role)


@pytest.mark.parametrize(
    ("role", "state", "may", "may_not"),
    [
        (Role.ESME, State.BOUND_TX, Command.SUBMIT_SM, Command.DELIVER_SM),
        (Role.ESME, State.BOUND_RX, Command.ENQUIRE_LINK, Command.SUBMIT_SM),
        (Role.ESME, State.OPEN, Command.BIND_RECEIVER, Command.SUBMIT_SM),
        (Role.ESME, State.BOUND_TRX, Command.DATA_SM, Command.BIND_TRANSCEIVER),
        (Role.SMSC, State.BOUND_RX, Command.DELIVER_SM, Command.SUBMIT_SM),
        (Role.SMSC, State.BOUND_TX, Command.UNBIND, Command.DELIVER_SM),
        (Role.SMSC, State.OPEN, Command.OUTBIND, Command.DELIVER_SM),
    ],
)
def test_who_may_send_what(role: Role, state: State, may: Command, may_not: Command) -> None:
    assert may in MAY_SEND[role][state]
    assert may_not not in MAY_SEND[role][state]
