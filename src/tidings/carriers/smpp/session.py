"""Who may send what when: the session of SMPP 3.4 §2.2 and §2.3 as two tables, without I/O.

Called by `link`, the same for both roles. A session's state follows from the PDUs that pass, whichever way
they go: a bind request makes it BINDING, its good answer BOUND_*, an unbind UNBINDING, its answer CLOSED.
What the peer sends is held against MAY_SEND; what we send is our own affair (the simulator misbehaves on purpose).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from tidings.carriers.smpp.pdu import Command


class Role(StrEnum):
    ESME = "esme"
    """The client: it connects and binds."""
    SMSC = "smsc"


class State(StrEnum):
    OPEN = "open"
    BINDING = "binding"
    BOUND_TX = "bound_tx"
    BOUND_RX = "bound_rx"
    BOUND_TRX = "bound_trx"
    UNBINDING = "unbinding"
    CLOSED = "closed"


BOUND: Final = frozenset({State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX})
BINDS: Final = frozenset({Command.BIND_RECEIVER, Command.BIND_TRANSMITTER, Command.BIND_TRANSCEIVER})

_ALWAYS: Final = frozenset({Command.ENQUIRE_LINK, Command.UNBIND})
_SUBMITS: Final = _ALWAYS | {
    Command.SUBMIT_SM,
    Command.SUBMIT_MULTI,
    Command.DATA_SM,
    Command.QUERY_SM,
    Command.CANCEL_SM,
    Command.REPLACE_SM,
}
_DELIVERS: Final = _ALWAYS | {Command.DELIVER_SM, Command.DATA_SM, Command.ALERT_NOTIFICATION}

MAY_SEND: Final[Mapping[Role, Mapping[State, frozenset[Command]]]] = {
    Role.ESME: {
        State.OPEN: _ALWAYS | BINDS,
        State.BINDING: _ALWAYS,
        State.BOUND_TX: _SUBMITS,
        State.BOUND_RX: _ALWAYS,
        State.BOUND_TRX: _SUBMITS,
        State.UNBINDING: _ALWAYS,
        State.CLOSED: frozenset(),
    },
    Role.SMSC: {
        State.OPEN: _ALWAYS | {Command.OUTBIND},
        State.BINDING: _DELIVERS,  # some centres deliver what waited before they answer the bind
        State.BOUND_TX: _ALWAYS,
        State.BOUND_RX: _DELIVERS,
        State.BOUND_TRX: _DELIVERS,
        State.UNBINDING: _DELIVERS,  # written before our unbind reached it
        State.CLOSED: frozenset(),
    },
}
"""What each role may ask for in each state (SMPP 3.4 §2.3, table 2-1; enquire_link is let through everywhere)."""

PEER: Final[Mapping[Role, Role]] = {Role.ESME: Role.SMSC, Role.SMSC: Role.ESME}

_AFTER: Final[Mapping[tuple[int, bool], State]] = {
    **{(bind, True): State.BINDING for bind in BINDS},
    (Command.BIND_TRANSMITTER_RESP, True): State.BOUND_TX,
    (Command.BIND_RECEIVER_RESP, True): State.BOUND_RX,
    (Command.BIND_TRANSCEIVER_RESP, True): State.BOUND_TRX,
    (Command.BIND_TRANSMITTER_RESP, False): State.OPEN,
    (Command.BIND_RECEIVER_RESP, False): State.OPEN,
    (Command.BIND_TRANSCEIVER_RESP, False): State.OPEN,
    (Command.UNBIND, True): State.UNBINDING,
    (Command.UNBIND_RESP, True): State.CLOSED,
    (Command.UNBIND_RESP, False): State.CLOSED,
}


def after(state: State, command: int, status: int) -> State:
    """The state once this PDU has passed, in either direction."""
    return _AFTER.get((command, status == 0), state)
