"""What is particular about a carrier, as data: id spellings, words, error numbers, limits.

`load` reads a TOML file, shipped in `profiles/` or the operator's own, over the one it extends; in the end that is
always `default.toml`. The SMPP carrier reads one profile at start and hands it to `receipt` and `command_status`.
"""

import re
import tomllib
from collections.abc import Callable
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from tidings.carriers.base import Verdict
from tidings.carriers.smpp.command_status import StatusRule, classify
from tidings.carriers.smpp.message_id import PLAIN, IdRules

Code = Annotated[int, msgspec.Meta(ge=0, le=99999)]
"""A Twilio error code; 0 says "no error"."""


class ProfileError(ValueError):
    """A profile that cannot be used; its text is one line naming the profile, the place and what is wrong."""


class StateRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a carrier's word for a state means."""

    verdict: Verdict
    error: Code = 30008
    """Code of an undelivered message whose error number no table explains."""
    generic: bool = False
    """Gives way to a more exact word with the same verdict: UNDELIV to EXPIRED."""
    note: str = ""
    """Said with every receipt of this state."""


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One carrier's particulars. Made by `load`: without `default.toml` the tables are empty."""

    name: str
    """The file's name."""
    version: int
    about: str
    ids: IdRules = PLAIN
    states: dict[str, StateRule]
    """By the word of `stat:`, in upper case."""
    message_states: dict[int, str]
    """By the number of the message_state TLV: the word it stands for."""
    errors: dict[str, Code]
    """By `error_key` of a receipt's `err:`."""
    network_errors: dict[str, Code]
    """By "type:number" or "number" of the network_error_code TLV, both decimal: "3:27", "27"."""
    command_status: dict[int, StatusRule] = {}
    """Answers that mean something else at this carrier."""
    trust: Literal["tlv", "text"] = "tlv"
    """Whom to believe where a receipt's TLVs and text contradict each other and neither is more exact."""
    receipt_without_flag: bool = False
    """Receipts come with esm_class 0. Opens the door to messages that imitate a receipt."""
    id_in_text: bool = False
    """A receipt's whole text may be an id and a message_state number (Sicap: "362d9701 2")."""
    timezone: str = ""
    """IANA zone of the dates in receipts; "" when unknown."""
    window: Annotated[int, msgspec.Meta(ge=1)] = 100
    """Unanswered submit_sm a bind, where the carrier's settings say nothing."""
    throughput: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Segments a second; 0 is as fast as the window allows."""
    deadline: Annotated[float, msgspec.Meta(gt=0)] = 72.0
    """Hours after submission until a missing receipt is called unknown."""
    query: bool = False
    """query_sm may be asked."""
    user_message_reference: bool = False
    """submit_sm may carry user_message_reference: the carrier takes it, and may echo it in receipts."""

    def __post_init__(self) -> None:
        for number, word in self.message_states.items():
            if word not in self.states:
                raise ValueError(f"message_states.{number} is {word!r}, which [states] does not hold")
        if self.timezone:
            try:
                ZoneInfo(self.timezone)
            except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
                raise ValueError(f"timezone {self.timezone!r} is not known") from None


def error_key(error: str) -> str:
    """A carrier's error value as the error tables spell it: leading zeros mean nothing in a number."""
    if error.isdecimal():
        return error.lstrip("0") or "0"
    return error.upper()


def names() -> list[str]:
    """The shipped profiles."""
    return sorted(entry.name.removesuffix(".toml") for entry in _SHIPPED.iterdir() if entry.name.endswith(".toml"))


def load(name_or_path: str | Path = "default") -> Profile:
    """The shipped profile of that name, or the one in that file. Read once; raises ProfileError.

    A string is a path when it ends in ".toml" or holds a "/". A file may say `extends`: another profile's name,
    or a path relative to its own; without it it extends "default". Tables add to the extended profile's, entry by
    entry; everything else replaces.
    """
    return _load(str(name_or_path))


_SHIPPED = resources.files(__package__) / "profiles"
_NAME = re.compile(r"[a-z0-9_]+").fullmatch


@lru_cache(maxsize=64)
def _load(reference: str) -> Profile:
    content = _read(reference, Path(), ())
    content["name"] = Path(reference).name.removesuffix(".toml")
    try:
        profile = msgspec.convert(content, Profile)
    except msgspec.ValidationError as error:
        raise ProfileError(f"profile {reference!r}: {error}") from None
    return msgspec.structs.replace(
        profile,
        command_status={
            status: msgspec.structs.replace(rule, name=rule.name or classify(status).name)
            for status, rule in profile.command_status.items()
        },
    )


def _read(reference: str, relative_to: Path, extending: tuple[str, ...]) -> dict[str, Any]:
    """The profile's content merged over what it extends, table keys in their one spelling."""
    source = _locate(reference, relative_to)
    if str(source) in extending:
        raise ProfileError(f"profile {reference!r}: extends itself")
    try:
        content = _normal(tomllib.loads(source.read_text("utf-8")))
    except FileNotFoundError:
        raise ProfileError(f"profile {reference!r}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise ProfileError(f"profile {reference!r}: {error}".replace("\n", " ")) from None
    if source == _SHIPPED / "default.toml":
        return content
    extended = content.pop("extends", "default")
    if not isinstance(extended, str):
        raise ProfileError(f'profile {reference!r}: extends must be a name or path in quotes, as in "default"')
    parent = source.parent if isinstance(source, Path) else Path()
    return _merge(_read(extended, parent, (*extending, str(source))), content)


def _locate(reference: str, relative_to: Path) -> Traversable:
    if reference.endswith(".toml") or "/" in reference:
        return (relative_to / reference).resolve()
    if _NAME(reference) and (source := _SHIPPED / f"{reference}.toml").is_file():
        return source
    raise ProfileError(
        f"profile {reference!r}: not known; there are {', '.join(names())}, or give the path of a .toml file"
    )


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` over `base`: tables entry by entry, everything else replaced."""
    return base | {
        key: base[key] | value if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in over.items()
    }


def _number(key: str) -> int:
    return int(key, 0)


_SPELLING: dict[str, Callable[[str], str | int]] = {
    "states": str.upper,
    "message_states": _number,
    "errors": error_key,
    "network_errors": str,
    "command_status": _number,
}


def _normal(content: dict[str, Any]) -> dict[str, Any]:
    """The content with the keys of its tables in the spelling they are looked up by."""
    for table, spell in _SPELLING.items():
        entries = content.get(table)
        if not isinstance(entries, dict):
            continue
        spelled: dict[str | int, Any] = {}
        for key, value in entries.items():
            try:
                normal = spell(key)
            except ValueError:
                raise ValueError(f"{table}.{key}: the key must be a number, as in 8 or 0x08") from None
            if normal in spelled:
                raise ValueError(f"{table}.{key}: given twice, in two spellings")
            spelled[normal] = value
        content[table] = spelled
    return content
