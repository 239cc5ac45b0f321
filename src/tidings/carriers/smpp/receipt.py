"""Delivery receipts: what is one, and what it says, however the carrier spells it.

The SMPP carrier asks `is_receipt` of every deliver_sm and data_sm and hands what is one to `parse`; the simulated
SMSC writes its receipts with `compose`. SMPP 3.4 appendix B only suggests the text's form: nothing relies on it.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import msgspec

from tidings.carriers.base import Receipt, Verdict
from tidings.carriers.smpp.message_id import candidates
from tidings.carriers.smpp.pdu import Tag
from tidings.carriers.smpp.profile import Profile, StateRule, error_key


def is_receipt(esm_class: int, text: bytes, tlvs: Mapping[int, bytes], profile: Profile) -> bool:
    """Whether a deliver_sm or data_sm is a receipt: by its message type (SMPP 3.4 §5.2.12), not by its looks.

    A handset can write any text, so an unmarked message that looks like a receipt is one only where the profile
    says that the carrier forgets the mark.
    """
    message_type = esm_class & _TYPE_BITS
    if message_type & (_SMSC_RECEIPT | _INTERMEDIATE):
        return True
    if message_type == _DELIVERY_ACKNOWLEDGEMENT:
        return Tag.RECEIPTED_MESSAGE_ID in tlvs
    if message_type == 0 and profile.receipt_without_flag:
        fields = _scan(_view(esm_class, text, tlvs), trusted=False)
        return bool((fields.id or Tag.RECEIPTED_MESSAGE_ID in tlvs) and (fields.stat or Tag.MESSAGE_STATE in tlvs))
    return False


def parse(
    *,
    carrier: str,
    received_at: int,
    source: str,
    destination: str,
    esm_class: int,
    text: bytes,
    tlvs: Mapping[int, bytes],
    raw: str,
    profile: Profile,
    problems: tuple[str, ...] = (),
) -> Receipt:
    """Read a receipt; never raises, whatever the bytes. `problems` (of decoding the PDU) become notes."""
    notes = list(problems)
    view = _view(esm_class, text, tlvs)
    fields = _scan_usual(view) or _scan(view, trusted=bool(esm_class & _SMSC_RECEIPT))
    state_number = _message_state(tlvs, notes)
    if fields is _NOTHING and profile.id_in_text and (match := _ID_AND_STATE.fullmatch(view)):
        fields = _Fields(id=match[1])
        state_number = int(match[2]) if state_number is None else state_number

    word, rule = _state(fields.stat.upper(), state_number, profile, notes)
    if rule.note:
        notes.append(rule.note)
    error, carrier_error = _error(fields.err, tlvs.get(Tag.NETWORK_ERROR_CODE), rule, profile)
    ids = _ids(fields.id, tlvs, profile)
    if (information := tlvs.get(Tag.ADDITIONAL_STATUS_INFO_TEXT)) is not None:
        notes.append(f"additional status: {_c_string(information)}")
    reference = tlvs.get(Tag.USER_MESSAGE_REFERENCE)
    return Receipt(
        carrier=carrier,
        received_at=received_at,
        ids=ids,
        keys=candidates(ids, profile.ids),
        verdict=rule.verdict,
        word=word,
        error=error,
        carrier_error=carrier_error,
        source=source,
        destination=destination,
        reference=int.from_bytes(reference, "big") if reference is not None and len(reference) == 2 else None,
        done_date=fields.done_date,
        text=view,
        raw=raw,
        notes=tuple(notes),
    )


def read_date(digits: str, near: int, zone: tzinfo | None = None) -> datetime | None:
    """A date of a receipt, None when it is none (zeros, the epoch, words).

    `near` is when the receipt came, in microseconds since 1970: twelve digits may be YYMMDDhhmmss or YYYYMMDDhhmm,
    and the reading nearer to it is taken. The result is naive, its zone unknown, unless `zone` (a profile's) or
    the date itself names one (SMPP 3.4 §7.1.1: "180711070003912+"). Never fit to compute a delay from.
    """
    if match := _ABSOLUTE.fullmatch(digits):
        quarters = int(match[2]) * (1 if match[3] == "+" else -1)
        stamp = _read("%y%m%d%H%M%S", match[1])
        return stamp and stamp.replace(tzinfo=timezone(timedelta(minutes=15 * quarters)))
    if not _DIGITS.fullmatch(digits):
        return None
    received = datetime(1970, 1, 1) + timedelta(microseconds=near)
    readings = [stamp for form in _DATE_FORMS.get(len(digits), ()) if (stamp := _read(form, digits))]
    if not readings:
        return None
    return min(readings, key=lambda stamp: abs(stamp - received)).replace(tzinfo=zone)


def compose(
    *,
    message_id: str,
    submitted: datetime,
    done: datetime,
    stat: str,
    error: str = "000",
    text: str = "",
    parts: int = 1,
    delivered: int | None = None,
) -> bytes:
    """A receipt's text in Kannel's form, dates in UTC for aware times and as given for naive ones."""
    if delivered is None:
        delivered = parts if stat == "DELIVRD" else 0
    form = "%y%m%d%H%M"
    dates = [stamp.astimezone(UTC) if stamp.tzinfo else stamp for stamp in (submitted, done)]
    return (
        f"id:{message_id} sub:{parts:03d} dlvrd:{delivered:03d} submit date:{dates[0]:{form}} "
        f"done date:{dates[1]:{form}} stat:{stat} err:{error} text:{text:.20s}"
    ).encode("latin-1", "replace")


# --- esm_class (SMPP 3.4 §5.2.12) and the text as one string

_TYPE_BITS = 0x3C
_SMSC_RECEIPT = 0x04
_DELIVERY_ACKNOWLEDGEMENT = 0x08
_INTERMEDIATE = 0x20
_HEADER_FLAG = 0x40
_LONGEST_HEADER = 0x1F  # below every character a receipt may begin with


def _view(esm_class: int, text: bytes, tlvs: Mapping[int, bytes]) -> str:
    """The text, from message_payload when short_message is empty, without header and trailing NULs."""
    content = text or tlvs.get(Tag.MESSAGE_PAYLOAD, b"")
    if esm_class & _HEADER_FLAG and content and content[0] <= _LONGEST_HEADER:
        content = content[content[0] + 1 :]
    return content.rstrip(b"\0").decode("latin-1")


# --- the fields of a text


class _Fields(msgspec.Struct, frozen=True, gc=False):
    id: str = ""
    stat: str = ""
    err: str = ""
    done_date: str = ""


_NOTHING = _Fields()
_LONGEST_ERROR = 8

# What most carriers send, in one match. It must never read anything otherwise than `_scan` does.
_USUAL = re.compile(
    r"id:([!-~]+) sub:[0-9]{1,3} dlvrd:[0-9]{1,3} submit date:[0-9]+ done date:([0-9]+)"
    r" stat:([A-Z]+) err:([0-9A-Za-z]{1,8})(?: [Tt]ext:|\Z)"
).match

_KEY = re.compile(r"(?<![^\s\0])(id|sub|dlvrd|submit *date|done *date|stat|err|text):", re.IGNORECASE | re.ASCII)
_WORDS = re.compile(r"[^\s\0]+", re.ASCII)
_AFTER_EMPTY_TEXT = re.compile(r"[\s\0]+stat:", re.IGNORECASE | re.ASCII)
_ID_AND_STATE = re.compile(r"\s*([0-9A-Za-z-]+)\s+([0-9])\s*", re.ASCII)


def _scan_usual(view: str) -> _Fields | None:
    match = _USUAL(view)
    return _Fields(match[1], match[3], match[4], match[2]) if match else None


def _scan(view: str, *, trusted: bool) -> _Fields:
    """The fields by their keys, in whatever order, glued or apart, with or without values; the first value wins.

    `text:` ends the scan, for what follows is the sender's. Only a PDU marked as a final receipt (`trusted`) may
    have its `stat:` after an empty `text:`, and only when it had none before.
    """
    found: dict[str, str] = {}
    key, start = "", 0
    for match in _KEY.finditer(view):
        _keep(found, key, view[start : match.start()])
        key, start = match[1].lower().replace(" ", ""), match.end()
        if key == "text":
            if trusted and "stat" not in found and (late := _AFTER_EMPTY_TEXT.match(view, start)):
                _keep(found, "stat", view[late.end() :])
            break
    else:
        _keep(found, key, view[start:])
    if not found:
        return _NOTHING
    return _Fields(
        found.get("id", ""),
        found.get("stat", ""),
        found.get("err", "")[:_LONGEST_ERROR],
        found.get("donedate", ""),
    )


def _keep(found: dict[str, str], key: str, value: str) -> None:
    if key and key not in found and (word := _WORDS.search(value)):
        found[key] = word[0]


# --- the TLVs (SMPP 3.4 §5.3.2)


def _c_string(value: bytes) -> str:
    return value.partition(b"\0")[0].decode("latin-1").strip()


def _ids(text_id: str, tlvs: Mapping[int, bytes], profile: Profile) -> tuple[str, ...]:
    value = tlvs.get(Tag.RECEIPTED_MESSAGE_ID)
    tlv_id = _c_string(value) if value is not None else ""
    if not tlv_id or tlv_id == text_id:
        return (text_id,) if text_id else ()
    if not text_id:
        return (tlv_id,)
    return (tlv_id, text_id) if profile.trust == "tlv" else (text_id, tlv_id)


def _message_state(tlvs: Mapping[int, bytes], notes: list[str]) -> int | None:
    value = tlvs.get(Tag.MESSAGE_STATE)
    if value is None:
        return None
    if len(value) != 1:
        notes.append(f"message_state is {len(value)} bytes long, not 1")
        return None
    return value[0]


def _network_error(value: bytes) -> tuple[str, tuple[str, ...]]:
    """network_error_code as spelled and its keys in a profile: "0x0423:03:0022" (in hex) and "3:34", "34".

    Some carriers write three digits instead of type and number: "0x0423:034" and "34".
    """
    if len(value) != 3:
        return f"0x0423:{value.hex()}", ()
    if value.isdigit():
        digits = value.decode("ascii")
        return f"0x0423:{digits}", (error_key(digits),)
    number = int.from_bytes(value[1:], "big")
    return f"0x0423:{value[0]:02x}:{number:04x}", (f"{value[0]}:{number}", f"{number}")


# --- what it says

_UNRECOGNISED = StateRule(Verdict.UNRECOGNISED)

_EXACTNESS = {
    Verdict.UNRECOGNISED: 0,
    Verdict.UNKNOWN: 1,
    Verdict.PROGRESS: 2,
    Verdict.UNDELIVERED: 3,
    Verdict.DELIVERED: 3,
}


def _state(stat: str, number: int | None, profile: Profile, notes: list[str]) -> tuple[str, StateRule]:
    """The word that counts and its rule; where text and TLV disagree, the more exact one, and a note."""
    by_text = profile.states.get(stat, _UNRECOGNISED)
    if number is None:
        return stat, by_text
    by_tlv = profile.states.get(profile.message_states.get(number, ""), _UNRECOGNISED)
    if not stat:
        return str(number), by_tlv
    if by_text is by_tlv:
        return stat, by_text
    if by_text.verdict is by_tlv.verdict and (by_text.generic or by_tlv.generic):
        return (str(number), by_tlv) if by_text.generic and not by_tlv.generic else (stat, by_text)
    difference = _EXACTNESS[by_tlv.verdict] - _EXACTNESS[by_text.verdict]
    tlv_counts = difference > 0 or (difference == 0 and profile.trust == "tlv")
    if by_text.verdict is not by_tlv.verdict or by_text.verdict is Verdict.UNDELIVERED:
        counted = f"message_state {number}" if tlv_counts else f"stat {stat}"
        notes.append(f"stat {stat} and message_state {number} disagree: {counted} counts")
    return (str(number), by_tlv) if tlv_counts else (stat, by_text)


def _error(err: str, network_error: bytes | None, rule: StateRule, profile: Profile) -> tuple[int | None, str]:
    """Twilio's code when it is undelivered, and the carrier's error value that gave it or else says most."""
    if rule.verdict is not Verdict.UNDELIVERED and not network_error:
        return None, err  # nothing to choose between
    codes = [(profile.errors.get(error_key(err), 0), err)] if err else []
    if network_error:
        spelled, keys = _network_error(network_error)
        code = next((profile.network_errors[key] for key in keys if key in profile.network_errors), 0)
        codes.insert(0 if profile.trust == "tlv" else 1, (code, spelled))
    said = next((spelled for _, spelled in codes if not _is_zero(spelled)), err or (codes[0][1] if codes else ""))
    if rule.verdict is not Verdict.UNDELIVERED:
        return None, said
    return next(((code, spelled) for code, spelled in codes if code), (rule.error, said))


def _is_zero(spelled: str) -> bool:
    return not spelled.rpartition(":")[2].strip("0")


# --- dates

_DIGITS = re.compile(r"[0-9]+")
_ABSOLUTE = re.compile(r"([0-9]{12})[0-9](0[0-9]|[1-3][0-9]|4[0-8])([+-])")
_DATE_FORMS = {
    10: ("%y%m%d%H%M",),
    12: ("%y%m%d%H%M%S", "%Y%m%d%H%M"),
    14: ("%Y%m%d%H%M%S",),
}


def _read(form: str, digits: str) -> datetime | None:
    try:
        stamp = datetime.strptime(digits, form)
    except ValueError:
        return None
    return stamp if stamp.year > 1970 else None  # carriers write the epoch for "never"
