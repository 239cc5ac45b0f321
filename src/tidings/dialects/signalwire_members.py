"""Members of JSON bodies, read one by one: what each may hold, and what is said where it holds something else.

Called by the dialects `signalwire_numbers` and `signalwire_resources`. A member that is not given changes nothing;
null, or an empty text, takes away what was set. Readers raise `Invalid`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tidings.arranged import Method
from tidings.callbacks.url import InvalidUrl, parse_url
from tidings.dialects.signalwire import METHODS
from tidings.dialects.signalwire_rest_errors import Fault, Invalid
from tidings.ids import from_project

MAX_TEXT: Final = 255
"""Characters of a name or a RELAY context."""

Reader = Callable[[str, Any], Any]
"""From a member's name and value to what it comes to."""


def read(members: Mapping[str, Any], readers: Mapping[str, Reader]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the members that have readers come to, and the names of those that have none and so no effect.

    Raises Invalid with all that is wrong.
    """
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, reader in readers.items():
        if name in members:
            try:
                values[name] = reader(name, members[name])
            except Invalid as invalid:
                faults += invalid.faults
    if faults:
        raise Invalid(*faults)
    return values, tuple(name for name, value in members.items() if name not in readers and value is not None)


def require(values: Mapping[str, Any], *names: str) -> None:
    """Raise Invalid where one of `names` is missing or empty."""
    faults = [Fault(name, "missing_required_parameter") for name in names if not values.get(name)]
    if faults:
        raise Invalid(*faults)


def text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Invalid(Fault(name, "not_a_string"))
    if len(value) > MAX_TEXT:
        raise Invalid(Fault(name, "character_limit_exceeded"))
    return value.strip()


def text_or_none(name: str, value: Any) -> str | None:
    return text(name, value) or None


def boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid(Fault(name, "not_a_boolean"))
    return value


def url(name: str, value: Any) -> str | None:
    """The URL as given."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Invalid(Fault(name, "not_an_http_url"))
    try:
        parse_url(value)
    except InvalidUrl:
        raise Invalid(Fault(name, "not_an_http_url", value)) from None
    return value


def method(name: str, value: Any) -> Method:
    found = METHODS.get(text(name, value).upper())
    if found is None:
        raise Invalid(Fault(name, "invalid_http_method", value))
    return found


def id_of(name: str, value: Any) -> str | None:
    """The id that a UUID spells."""
    spelled = text(name, value)
    found = from_project(spelled)
    if spelled and found is None:
        raise Invalid(Fault(name, "does_not_exist", spelled))
    return found


def one_of(*choices: str, word: str = "invalid_parameter") -> Reader:
    """A reader of a member that has to be one of `choices`; `word` is what is said where it is none."""

    def choice(name: str, value: Any) -> str | None:
        if value is None:
            return None
        if value not in choices:
            raise Invalid(Fault(name, word, str(value)))
        return str(value)

    return choice
