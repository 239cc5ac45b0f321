"""What a receipt's text or a PDU says, how it is read, and what the gateway would make of it: all as titled rows.

Pure. `explain` prints it; everything is looked up in the rooms that decide it for real traffic.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from tidings.carriers.base import Receipt, Verdict
from tidings.carriers.smpp import receipt as receipts
from tidings.carriers.smpp import segment
from tidings.carriers.smpp.command_status import Kind as Class
from tidings.carriers.smpp.command_status import StatusRule, classify
from tidings.carriers.smpp.message_id import stored_key
from tidings.carriers.smpp.pdu import (
    HEADER,
    RESPONSE,
    Bind,
    Command,
    DataSm,
    MessageIdResp,
    Outbind,
    Pdu,
    PduError,
    QuerySmResp,
    ShortMessage,
    Tag,
    content,
    decode,
)
from tidings.carriers.smpp.profile import Profile
from tidings.carriers.smpp.settings import SmppSettings
from tidings.errors import words
from tidings.lifecycle import Kind, SegmentState, Status, advance, fold

FINAL_RECEIPT: Final = 0x04
"""esm_class that a text given without its PDU is taken to have come with."""

_HEX: Final = re.compile(r"(?:0x)?([0-9a-fA-F]{32,})").fullmatch
_GAPS: Final = re.compile(r"[\s:,]+")
_RECEIPT_WORDS: Final = re.compile(r"\b(id|stat):", re.IGNORECASE)

_BINDS: Final = frozenset(
    {Command.BIND_RECEIVER_RESP, Command.BIND_TRANSMITTER_RESP, Command.BIND_TRANSCEIVER_RESP}
)
_OPERATIONS: Final = frozenset({Command.QUERY_SM_RESP, Command.CANCEL_SM_RESP, Command.REPLACE_SM_RESP})
_UNREADABLE: Final = frozenset({0x02, 0x03})
"""RINVCMDLEN, RINVCMDID in answer to a submission: see `carriers.smpp.carrier`."""


class Section(msgspec.Struct, frozen=True):
    title: str
    rows: list[tuple[str, str]]


class NotUnderstood(ValueError):
    """Neither a PDU nor a receipt; the text is one line for people."""


def explain(given: str, profile: Profile, now: int) -> list[Section]:
    """`given` is a PDU in hex (gaps and 0x allowed) or a receipt's text. Raises NotUnderstood."""
    octets = _octets(given)
    if octets is not None:
        return list(_explain_pdu(octets, profile, now))
    return list(_explain_text(given, profile, now))


def _octets(given: str) -> bytes | None:
    match = _HEX(_GAPS.sub("", given))
    if match is None:
        return None
    if len(match[1]) % 2:
        raise NotUnderstood(f"{len(match[1])} hex digits are no whole number of octets")
    return bytes.fromhex(match[1])


def _explain_text(text: str, profile: Profile, now: int) -> Iterator[Section]:
    read = receipts.parse(
        carrier="",
        received_at=now,
        source="",
        destination="",
        esm_class=FINAL_RECEIPT,
        text=text.encode("latin-1", "replace"),
        tlvs={},
        raw="",
        profile=profile,
    )
    if not read.ids and not read.word:
        raise NotUnderstood("neither a PDU in hex nor a receipt's text: no id: and no stat: in it")
    yield from _explain_receipt(read, profile, "receipt text")


def _explain_receipt(read: Receipt, profile: Profile, title: str) -> Iterator[Section]:
    rows = [
        ("id", ", ".join(read.ids) or "none"),
        ("word", read.word or "none"),
        ("carrier error", read.carrier_error or "none"),
        ("done date", _date(read, profile)),
    ]
    if read.reference is not None:
        rows.append(("user_message_reference", str(read.reference)))
    yield Section(title, rows)
    if read.keys:
        yield Section("lookup keys, best first", [(key, _RULES.get(rule, rule)) for rule, key in read.keys])
    yield Section("outcome", [*_outcome(read), *(("note", note) for note in read.notes)])


def _date(read: Receipt, profile: Profile) -> str:
    if not read.done_date:
        return "none"
    date = receipts.read_date(read.done_date, read.received_at)
    if date is None:
        return f"{read.done_date}, which is no date"
    zone = "" if date.tzinfo else f", {profile.timezone or 'zone unknown'}"
    return f"{read.done_date}: {date.isoformat(sep=' ')}{zone}"


_RULES: Final = {
    "exact": "exact: as it is spelled",
    "decimal_to_hex": "decimal_to_hex: submit_sm_resp had it in hex",
    "hex_to_decimal": "hex_to_decimal: submit_sm_resp had it in decimal",
}


def _outcome(read: Receipt) -> Iterator[tuple[str, str]]:
    """What it does to a segment that the carrier has accepted, by the lifecycle's own table."""
    yield "verdict", read.verdict
    state = advance(SegmentState.ACCEPTED, Kind(read.verdict.value))
    status = fold(Status.SENT, [state]) if state else Status.SENT
    if status is Status.SENT:
        yield "status", f"stays {status}: {_UNMOVED[read.verdict]}"
    else:
        yield "status", f"{Status.SENT} → {status}"
    if read.error is not None:
        yield "Twilio code", f"{read.error}: {words(read.error)}"


_UNMOVED: Final = {
    Verdict.PROGRESS: "the message is still on its way",
    Verdict.UNKNOWN: "the carrier itself does not know",
    Verdict.UNRECOGNISED: "no table holds the word; it is kept as an event, not guessed at",
}


def _explain_pdu(octets: bytes, profile: Profile, now: int) -> Iterator[Section]:
    length, command, status, sequence = HEADER.unpack_from(octets)
    rows = [
        ("command_length", _length(length, len(octets))),
        ("command_id", f"{_command(command)} (0x{command:08X})"),
        ("command_status", f"{classify(status, profile).name} (0x{status:08X})"),
        ("sequence_number", str(sequence)),
    ]
    yield Section("header", rows)
    frame = octets[:length] if 16 <= length < len(octets) else octets
    try:
        pdu = decode(frame)
    except PduError as error:
        refusal = f"0x{error.command_status:02X} {classify(error.command_status).name}"
        yield Section("cannot be read", [("problem", error.reason), ("answered with", refusal)])
        return
    if fields := list(_fields(pdu)):
        yield Section("fields", fields)
    if pdu.tlvs:
        yield Section("TLVs", [(_tag(tag), _value(value)) for tag, value in pdu.tlvs.items()])
    if pdu.problems:
        yield Section("problems, tolerated", [("", problem) for problem in pdu.problems])
    yield from _meaning(pdu, profile, now)


def _length(said: int, found: int) -> str:
    return f"{said}" if said == found else f"{said}, but there are {found} octets"


def _command(number: int) -> str:
    return Command(number).name.lower() if number in Command.__members__.values() else "unknown command"


def _tag(tag: int) -> str:
    known = Tag(tag).name.lower() if tag in Tag.__members__.values() else "unknown"
    return f"{known} (0x{tag:04X})"


def _fields(pdu: Pdu) -> Iterator[tuple[str, str]]:
    if isinstance(pdu.body, bytes):
        if pdu.body:
            yield "body, unread", pdu.body.hex()
        return
    for name, value in msgspec.structs.asdict(pdu.body).items():
        if name == "password" and isinstance(pdu.body, Bind | Outbind):
            yield name, f"{len(value)} characters, not shown"
        elif isinstance(value, bytes):
            yield name, _value(value)
        elif name in ("esm_class", "data_coding", "registered_delivery", "interface_version"):
            yield name, f"0x{value:02X}"
        else:
            yield name, repr(value) if isinstance(value, str) else str(value)


def _value(value: bytes) -> str:
    """Hex, and what it may mean: a number up to four octets, else text where it is some."""
    bare = value.rstrip(b"\0")
    if bare and all(32 <= octet < 127 for octet in bare) and (len(bare) > 2 or bare.isdigit()):
        return f"{value.hex()} = {bare.decode('ascii')!r}"
    if 0 < len(value) <= 4:
        return f"{value.hex()} = {int.from_bytes(value)}"
    return value.hex() or "empty"


def _meaning(pdu: Pdu, profile: Profile, now: int) -> Iterator[Section]:
    if pdu.command & RESPONSE:
        yield from _explain_answer(pdu, profile)
    elif isinstance(pdu.body, ShortMessage | DataSm):
        if pdu.command != Command.SUBMIT_SM and receipts.is_receipt(
            pdu.body.esm_class, content(pdu), pdu.tlvs, profile
        ):
            yield from _explain_receipt(_receipt(pdu, pdu.body, profile, now), profile, "receipt")
        else:
            yield _message(pdu, pdu.body, now)


def _receipt(pdu: Pdu, body: ShortMessage | DataSm, profile: Profile, now: int) -> Receipt:
    return receipts.parse(
        carrier="",
        received_at=now,
        source=body.source_addr,
        destination=body.destination_addr,
        esm_class=body.esm_class,
        text=content(pdu),
        tlvs=pdu.tlvs,
        raw="",
        profile=profile,
    )


def _message(pdu: Pdu, body: ShortMessage | DataSm, now: int) -> Section:
    read = segment.read(pdu, carrier="", received_at=now, settings=_SETTINGS)
    rows = [("from", read.source), ("to", read.destination), ("text", repr(read.text)), ("coding", read.encoding)]
    if read.parts > 1:
        rows.append(("part", f"{read.part} of {read.parts}, reference {read.reference}"))
    if pdu.command == Command.SUBMIT_SM:
        asked = "asked for" if body.registered_delivery & 0x03 else "not asked for: it would stay sent for good"
        return Section("submission", [*rows, ("receipt", asked)])
    if _RECEIPT_WORDS.search(read.text):
        doubt = (
            f"looks like a receipt, but esm_class 0x{body.esm_class:02X} does not mark it as one: anybody "
            "can write such a text (a profile with receipt_without_flag = true would read it)"
        )
        rows.append(("note", doubt))
    return Section("inbound message", rows)


_SETTINGS: Final = SmppSettings(name="explained", host="", system_id="")


def _explain_answer(pdu: Pdu, profile: Profile) -> Iterator[Section]:
    rule = classify(pdu.status, profile)
    rows = [("class", f"{rule.kind}"), ("gateway", _does(pdu, rule))]
    if rule.kind not in (Class.OK, Class.SLOW, Class.BIND) and pdu.command not in _BINDS | _OPERATIONS:
        rows.append(("Twilio code", f"{rule.error}: {words(rule.error)}, where the message ends here"))
    if isinstance(pdu.body, QuerySmResp) and rule.kind is Class.OK:
        word = profile.message_states.get(pdu.body.message_state, "")
        known = profile.states.get(word)
        verdict = f"{word}: {known.verdict}" if known else "in no table"
        rows.append(("message_state", f"{pdu.body.message_state}: {verdict}"))
    if isinstance(pdu.body, MessageIdResp) and rule.kind is Class.OK and pdu.command == Command.SUBMIT_SM_RESP:
        key = stored_key(pdu.body.message_id, profile.ids)
        rows.append(("stored under", key or "nothing: no receipt can be matched by its id"))
    yield Section("answer", rows)


def _does(pdu: Pdu, rule: StatusRule) -> str:
    if pdu.command in _BINDS:
        if rule.kind is Class.OK:
            return "is bound"
        return f"stays unbound and tries again{_slowly(rule)}, later each time, and for good"
    if pdu.command in _OPERATIONS:
        return "has its answer" if rule.kind is Class.OK else "has no answer; nothing changes for the message"
    if pdu.command == Command.GENERIC_NACK and not pdu.status:
        return _DOES[Class.UNCERTAIN]
    if pdu.command not in (Command.GENERIC_NACK, Command.SUBMIT_SM_RESP):
        return "goes on"
    if pdu.status in _UNREADABLE and rule.kind is Class.BIND:
        return _DOES[Class.ROUTE]
    return _DOES[rule.kind].format(retries=rule.retries, after=f"{rule.after:g}")


def _slowly(rule: StatusRule) -> str:
    return f" after {rule.after:g} s" if rule.after else ""


_DOES: Final = {
    Class.OK: "takes the segment as accepted: the message is sent once all of its segments are",
    Class.SLOW: "slows the carrier down; the message keeps its place, and no attempt is counted",
    Class.AGAIN: "asks the same carrier up to {retries} times more, {after} s apart, then the next one on the "
    "route; after the last the message has failed",
    Class.ROUTE: "asks the next carrier on the route; after the last the message has failed",
    Class.MESSAGE: "asks no other carrier: the message has failed",
    Class.BIND: "binds anew; the message keeps its place, and no attempt is counted",
    Class.UNCERTAIN: "cannot know whether the carrier has it: [dispatch] uncertain decides",
}
