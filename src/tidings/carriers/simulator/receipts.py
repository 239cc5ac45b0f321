"""The receipts of the simulated carrier as PDU bodies, whole or odd as the scenario wants them.

`server` asks for one when it is due.
"""

from collections.abc import Mapping
from typing import Final

from tidings.carriers.simulator.behaviour import ReceiptPlan, Where, spell
from tidings.carriers.simulator.segment import Segment
from tidings.carriers.smpp.pdu import TLV_HEADER, Command, DataSm, ShortMessage, Tag, encode
from tidings.carriers.smpp.receipt import compose
from tidings.clock import instant

MESSAGE_STATES: Final[Mapping[str, int]] = {
    "SCHEDULED": 0,
    "ENROUTE": 1,
    "DELIVRD": 2,
    "EXPIRED": 3,
    "DELETED": 4,
    "UNDELIV": 5,
    "ACCEPTD": 6,
    "UNKNOWN": 7,
    "REJECTD": 8,
    "SKIPPED": 9,
}
"""message_state by the word in the text (SMPP 3.4 §5.2.28, 5.0 §4.7.15). Other words have no number."""

NOT_FINAL: Final = frozenset({"SCHEDULED", "ENROUTE", "ACCEPTD"})

_GSM: Final = b"\x03"
"""Network type of network_error_code (SMPP 3.4 §5.3.2.31)."""

OVERRUN: Final = TLV_HEADER.pack(Tag.ADDITIONAL_STATUS_INFO_TEXT, 0x41) + b"short"
"""A TLV that claims 65 octets and has 5 (seen from Netfors: cloudhopper's PduDecoderTest)."""


def wanted(registered_delivery: int, plan: ReceiptPlan) -> bool:
    """Whether the submission asked for this receipt (SMPP 3.4 §5.2.17, 5.0 §4.7.21 for 3)."""
    asked = registered_delivery & 0x03
    if asked == 2:
        return plan.stat != "DELIVRD"
    return asked == 1 or (asked == 3 and plan.stat == "DELIVRD")


def receipt(plan: ReceiptPlan, segment: Segment, number: int, said: str, now: int) -> tuple[int, bytes]:
    """(command, body with TLVs) of the receipt for message `number`, whose answer said `said`."""
    message_id = spell(plan.id, number, said, segment.message.destination_addr)
    tlvs = {} if plan.where is Where.TEXT else _tlvs(plan, message_id)
    text = b""
    if plan.where not in (Where.TLV, Where.DATA_SM):
        text = compose(
            message_id=message_id,
            submitted=instant(segment.at),
            done=instant(now),
            stat=plan.stat,
            error=plan.err,
            text=segment.text[:20],
        )
    if plan.where is Where.PAYLOAD:
        tlvs[Tag.MESSAGE_PAYLOAD], text = text, b""
    command = Command.DATA_SM if plan.where is Where.DATA_SM else Command.DELIVER_SM
    body = encode(command, 0, _envelope(command, plan.esm_class, segment.message, text), tlvs=tlvs)[16:]
    return command, body + OVERRUN if plan.tlv_overrun else body


def _tlvs(plan: ReceiptPlan, message_id: str) -> dict[int, bytes]:
    tlvs: dict[int, bytes] = {Tag.RECEIPTED_MESSAGE_ID: message_id.encode("latin-1") + b"\0"}
    if (state := MESSAGE_STATES.get(plan.stat)) is not None:
        tlvs[Tag.MESSAGE_STATE] = bytes((state,))
    if plan.err.isdecimal() and 0 < int(plan.err) <= 0xFFFF:
        tlvs[Tag.NETWORK_ERROR_CODE] = _GSM + int(plan.err).to_bytes(2)
    return tlvs


def _envelope(command: int, esm_class: int, message: ShortMessage, text: bytes) -> ShortMessage | DataSm:
    """From the recipient of the message, to its sender."""
    if command == Command.DATA_SM:
        return DataSm(
            source_addr_ton=message.dest_addr_ton,
            source_addr_npi=message.dest_addr_npi,
            source_addr=message.destination_addr,
            dest_addr_ton=message.source_addr_ton,
            dest_addr_npi=message.source_addr_npi,
            destination_addr=message.source_addr,
            esm_class=esm_class,
        )
    return ShortMessage(
        source_addr_ton=message.dest_addr_ton,
        source_addr_npi=message.dest_addr_npi,
        source_addr=message.destination_addr,
        dest_addr_ton=message.source_addr_ton,
        dest_addr_npi=message.source_addr_npi,
        destination_addr=message.source_addr,
        esm_class=esm_class,
        short_message=text,
    )
