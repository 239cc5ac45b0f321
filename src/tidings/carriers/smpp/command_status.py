"""What to do after each command_status a carrier answers with: one table, total over all numbers.

The SMPP session asks `classify` for every submit_sm_resp, bind response and generic_nack that is not ROK.
Numbers and names: SMPP 3.4 §5.1.3 and 5.0 §4.7.6; kinds: what Kannel, Jasmin, Vumi, smscgateway and Sendium do.
"""

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tidings.carriers.smpp.profile import Profile


class Kind(StrEnum):
    """What an answer calls for."""

    OK = "ok"
    SLOW = "slow"
    """Back the bind off; the message keeps its place and no attempt is counted."""
    AGAIN = "again"
    """Try the same carrier again, then others."""
    ROUTE = "route"
    """This carrier can't; another one might."""
    MESSAGE = "message"
    """No carrier would: the message is at fault."""
    BIND = "bind"
    """The session or its configuration is at fault: pause it, say so, keep the message untouched."""
    UNCERTAIN = "uncertain"
    """The carrier may or may not have it. No status says so by itself; a profile may."""


class StatusRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one command_status means."""

    kind: Kind
    error: int = 30008
    """Twilio error code of a message that ends here; 0 for `ok`."""
    name: str = ""
    """The specification's name without ESME_: "RSYSERR"."""
    retries: int = 0
    """How often the same carrier may be asked again."""
    after: float = 0.0
    """Seconds to wait before that, or before the next message for `slow`."""


def classify(status: int, profile: "Profile | None" = None) -> StatusRule:
    """The rule for a command_status: the profile's, else the table's, else one by range. Never fails."""
    if profile is not None and (rule := profile.command_status.get(status)) is not None:
        return rule
    return _TABLE.get(status) or (_VENDOR if status in _VENDOR_RANGE else _RESERVED)


def name(status: int) -> str:
    """The specification's name of a command_status: "RSYSERR", or "VENDOR" or "RESERVED" by its range."""
    return classify(status).name


_VENDOR_RANGE = range(0x400, 0x500)
_VENDOR = StatusRule(Kind.ROUTE, name="VENDOR")
_RESERVED = StatusRule(Kind.ROUTE, name="RESERVED")

_TABLE: dict[int, StatusRule] = {
    0x00: StatusRule(Kind.OK, 0, "ROK"),
    0x01: StatusRule(Kind.MESSAGE, 30019, "RINVMSGLEN"),
    0x02: StatusRule(Kind.BIND, 30008, "RINVCMDLEN"),
    0x03: StatusRule(Kind.BIND, 30008, "RINVCMDID"),
    0x04: StatusRule(Kind.BIND, 30008, "RINVBNDSTS"),
    0x05: StatusRule(Kind.BIND, 30008, "RALYBND"),
    0x06: StatusRule(Kind.ROUTE, 30008, "RINVPRTFLG"),
    0x07: StatusRule(Kind.ROUTE, 30008, "RINVREGDLVFLG"),
    0x08: StatusRule(Kind.AGAIN, 30008, "RSYSERR", retries=2, after=30.0),  # as Jasmin
    0x0A: StatusRule(Kind.ROUTE, 21606, "RINVSRCADR"),
    0x0B: StatusRule(Kind.MESSAGE, 30005, "RINVDSTADR"),
    0x0C: StatusRule(Kind.MESSAGE, 30008, "RINVMSGID"),  # of query, cancel and replace only
    0x0D: StatusRule(Kind.BIND, 30008, "RBINDFAIL", after=60.0),  # slowly, but never stop for good
    0x0E: StatusRule(Kind.BIND, 30008, "RINVPASWD", after=60.0),
    0x0F: StatusRule(Kind.BIND, 30008, "RINVSYSID", after=60.0),
    0x11: StatusRule(Kind.MESSAGE, 30409, "RCANCELFAIL"),
    0x13: StatusRule(Kind.MESSAGE, 30008, "RREPLACEFAIL"),
    0x14: StatusRule(Kind.SLOW, 30001, "RMSGQFUL", after=30.0),
    0x15: StatusRule(Kind.ROUTE, 30008, "RINVSERTYP"),
    0x33: StatusRule(Kind.ROUTE, 30008, "RINVNUMDESTS"),
    0x34: StatusRule(Kind.ROUTE, 30008, "RINVDLNAME"),
    0x40: StatusRule(Kind.ROUTE, 30008, "RINVDESTFLAG"),
    0x42: StatusRule(Kind.ROUTE, 30008, "RINVSUBREP"),
    0x43: StatusRule(Kind.ROUTE, 30008, "RINVESMCLASS"),
    0x44: StatusRule(Kind.ROUTE, 30008, "RCNTSUBDL"),
    0x45: StatusRule(Kind.AGAIN, 30008, "RSUBMITFAIL", retries=1, after=10.0),
    0x48: StatusRule(Kind.ROUTE, 21606, "RINVSRCTON"),
    0x49: StatusRule(Kind.ROUTE, 21606, "RINVSRCNPI"),
    0x50: StatusRule(Kind.ROUTE, 30005, "RINVDSTTON"),
    0x51: StatusRule(Kind.ROUTE, 30005, "RINVDSTNPI"),
    0x53: StatusRule(Kind.BIND, 30008, "RINVSYSTYP", after=60.0),
    0x54: StatusRule(Kind.ROUTE, 30008, "RINVREPFLAG"),
    0x55: StatusRule(Kind.ROUTE, 30008, "RINVNUMMSGS"),
    0x58: StatusRule(Kind.SLOW, 30017, "RTHROTTLED", after=1.0),
    0x61: StatusRule(Kind.MESSAGE, 30012, "RINVSCHED"),
    0x62: StatusRule(Kind.MESSAGE, 30012, "RINVEXPIRY"),
    0x63: StatusRule(Kind.ROUTE, 30008, "RINVDFTMSGID"),
    0x64: StatusRule(Kind.AGAIN, 30008, "RX_T_APPN", retries=2, after=30.0),
    0x65: StatusRule(Kind.MESSAGE, 30008, "RX_P_APPN"),
    0x66: StatusRule(Kind.MESSAGE, 30004, "RX_R_APPN"),  # 30007 where a profile knows it for a filter
    0x67: StatusRule(Kind.MESSAGE, 30008, "RQUERYFAIL"),
    0xC0: StatusRule(Kind.ROUTE, 30008, "RINVOPTPARSTREAM"),
    0xC1: StatusRule(Kind.ROUTE, 30008, "ROPTPARNOTALLWD"),
    0xC2: StatusRule(Kind.ROUTE, 30008, "RINVPARLEN"),
    0xC3: StatusRule(Kind.ROUTE, 30008, "RMISSINGOPTPARAM"),
    0xC4: StatusRule(Kind.ROUTE, 30008, "RINVOPTPARAMVAL"),
    0xFE: StatusRule(Kind.ROUTE, 30008, "RDELIVERYFAILURE"),
    0xFF: StatusRule(Kind.AGAIN, 30008, "RUNKNOWNERR", retries=1, after=10.0),
    # SMPP 5.0
    0x100: StatusRule(Kind.ROUTE, 30008, "RSERTYPUNAUTH"),
    0x101: StatusRule(Kind.ROUTE, 30008, "RPROHIBITED"),
    0x102: StatusRule(Kind.ROUTE, 30008, "RSERTYPUNAVAIL"),
    0x103: StatusRule(Kind.ROUTE, 30008, "RSERTYPDENIED"),
    0x104: StatusRule(Kind.ROUTE, 30008, "RINVDCS"),
    0x105: StatusRule(Kind.ROUTE, 30008, "RINVSRCADDRSUBUNIT"),
    0x106: StatusRule(Kind.ROUTE, 30008, "RINVDSTADDRSUBUNIT"),
    0x107: StatusRule(Kind.ROUTE, 30008, "RINVBCASTFREQINT"),
    0x108: StatusRule(Kind.ROUTE, 30008, "RINVBCASTALIAS_NAME"),
    0x109: StatusRule(Kind.ROUTE, 30008, "RINVBCASTAREAFMT"),
    0x10A: StatusRule(Kind.ROUTE, 30008, "RINVNUMBCAST_AREAS"),
    0x10B: StatusRule(Kind.ROUTE, 30008, "RINVBCASTCNTTYPE"),
    0x10C: StatusRule(Kind.ROUTE, 30008, "RINVBCASTMSGCLASS"),
    0x10D: StatusRule(Kind.ROUTE, 30008, "RBCASTFAIL"),
    0x10E: StatusRule(Kind.ROUTE, 30008, "RBCASTQUERYFAIL"),
    0x10F: StatusRule(Kind.ROUTE, 30008, "RBCASTCANCELFAIL"),
    0x110: StatusRule(Kind.ROUTE, 30008, "RINVBCAST_REP"),
    0x111: StatusRule(Kind.ROUTE, 30008, "RINVBCASTSRVGRP"),
    0x112: StatusRule(Kind.ROUTE, 30008, "RINVBCASTCHANIND"),
}
