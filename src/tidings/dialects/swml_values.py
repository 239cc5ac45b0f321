"""SWML's values: how JSON and YAML are read, what `%{…}` stands for, what is done to a variable before a switch.

`swml_document` reads documents with it, `swml` runs them. Whatever comes in ends as plain JSON: objects, lists,
text, numbers, booleans and null, never deeper than `MAX_DEPTH`, so that what works on it may recurse.
Source: SignalWire, "SWML reference: Variables", "Messaging SWML overview".
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import yaml

MAX_DEPTH: Final = 64
"""Levels of objects and lists. SignalWire says that a parser's limit applies, and not which."""
MAX_VALUES: Final = 20_000
"""Of one document, YAML's aliases counted as often as they are used: a document has 64 kB at most."""
MAX_EXPANDED: Final = 256 * 1024
"""Of one script, all its steps together: values looked through for variables, and characters that these stand for.
A `request` may bring 64 KB; what a script says with them, in 100 steps, stays far below."""

_PLACEHOLDER: Final = re.compile(r"%\{([^{}]*)\}")
_PATH: Final = re.compile(r"[^.\[\]\s]+(?:\.[^.\[\]]+|\[[0-9]{1,6}\])*")
_PATH_STEP: Final = re.compile(r"\[([0-9]+)\]|([^.\[\]]+)")

_PARSER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML was built with it, as its wheels are: thirty times as fast."""
_PLAIN: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_TAGS: Final = {
    yaml.ScalarEvent: (None, "!", "tag:yaml.org,2002:str"),
    yaml.MappingStartEvent: (None, "!", "tag:yaml.org,2002:map"),
    yaml.SequenceStartEvent: (None, "!", "tag:yaml.org,2002:seq"),
}


class Unreadable(ValueError):
    """Not JSON, not YAML, or beyond a limit; the message says what and, where it is known, in which line."""


class TooLong(Exception):
    """The variables of a script stand for more than `MAX_EXPANDED`."""


class Scope(msgspec.Struct):
    """What `%{…}` can name. A name that begins with none of the three is looked for in `vars`."""

    message: dict[str, Any]
    params: dict[str, Any]
    vars: dict[str, Any]
    left: int = MAX_EXPANDED
    """What may still be expanded."""

    def spend(self, amount: int) -> None:
        """Raises TooLong."""
        self.left -= amount
        if self.left < 0:
            raise TooLong


TRANSFORMS: Final[dict[str, Callable[[str], str]]] = {
    "lowercase": str.lower,
    "uppercase": str.upper,
    "trim": str.strip,
    "lowercase_trim": lambda text: text.lower().strip(),
    "uppercase_trim": lambda text: text.upper().strip(),
}


def read_json(text: str) -> Any:
    """The value that `text` is. Raises Unreadable; an object with a key twice is."""
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except Unreadable:
        raise
    except RecursionError:
        raise Unreadable(f"it is deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise Unreadable(str(error)) from None
    _check(value)
    return value


def read_yaml(text: str) -> Any:
    """The value that `text` is: YAML 1.2 with one document, whose plain scalars are what they would be in JSON.

    Whatever is no number in JSON is text (`+15551230000`, `0123`, `12:30`, `yes`), and keys are text as they are
    written: a keyword of a switch is never a boolean. Raises Unreadable.
    """
    try:
        value = _Composer().compose(yaml.parse(text, Loader=_PARSER))
    except Unreadable:
        raise
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable(" ".join(str(error).split())) from None
    _check(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise Unreadable(f"the key {twice!r} is there twice")
    return found


def _no_number(name: str) -> Any:
    raise Unreadable(f"{name} is no number")


def _check(value: Any) -> None:
    """Raise Unreadable where `value` is too deep, too much, or holds what JSON in UTF-8 cannot say."""
    waiting = [(value, 0)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if depth > MAX_DEPTH:
            raise Unreadable(f"it is deeper than {MAX_DEPTH} levels")
        if count > MAX_VALUES:
            raise Unreadable(f"it has more than {MAX_VALUES} values")
        match value:
            case dict():
                waiting += [(each, depth + 1) for each in value.values()]
                _check_text("".join(value))
            case list():
                waiting += [(each, depth + 1) for each in value]
            case str():
                _check_text(value)
            case float() if not math.isfinite(value):
                raise Unreadable("a number is too large")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unreadable("a text holds half a surrogate pair, which is no character") from None


class _Open:
    """A collection that is being read."""

    __slots__ = ("anchor", "count", "key", "value")

    def __init__(self, value: dict[str, Any] | list[Any], anchor: str | None, count: int) -> None:
        self.value = value
        self.anchor = anchor
        self.count = count
        """Values read before it."""
        self.key: str | None = None
        """In an object, the key whose value is next; None: a key is."""


class _Composer:
    """Makes values of YAML's events, without recursion and without tags that would make anything else."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        """What they stand for, and how many values that is."""
        self._count = 0
        self._documents: list[Any] = []

    def compose(self, events: Iterable[Any]) -> Any:
        for event in events:
            match event:
                case yaml.AliasEvent():
                    self._alias(event)
                case yaml.ScalarEvent() | yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._node(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    ended = self._open.pop()
                    self._name(ended.anchor, ended.value, self._count - ended.count)
                    self._put(ended.value, event)
        if not self._documents:
            raise Unreadable("it is empty")
        return self._documents[0]

    def _node(self, event: Any) -> None:
        if event.tag not in _TAGS[type(event)]:
            raise Unreadable(f"{_line(event)}: the tag {event.tag} is not understood")
        self._tally(1)
        if not isinstance(event, yaml.ScalarEvent):
            if self._expects_key():
                raise Unreadable(f"{_line(event)}: a key must be text")
            value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            self._open.append(_Open(value, event.anchor, self._count - 1))
            if len(self._open) > MAX_DEPTH:
                raise Unreadable(f"it is deeper than {MAX_DEPTH} levels")
            return
        plain = event.tag is None and event.implicit[0] and not self._expects_key()
        value = _plain(event.value) if plain else event.value
        self._name(event.anchor, value, 1)
        self._put(value, event)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise Unreadable(f"{_line(event)}: *{event.anchor} stands for nothing that was complete before")
        value, count = self._anchors[event.anchor]
        if self._expects_key() and not isinstance(value, str):
            raise Unreadable(f"{_line(event)}: a key must be text")
        self._tally(count)
        self._put(value, event)

    def _tally(self, count: int) -> None:
        self._count += count
        if self._count > MAX_VALUES:
            raise Unreadable(f"it has more than {MAX_VALUES} values")

    def _name(self, anchor: str | None, value: Any, count: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, count)

    def _expects_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    def _put(self, value: Any, event: Any) -> None:
        if not self._open:
            self._documents.append(value)
            if len(self._documents) > 1:
                raise Unreadable(f"{_line(event)}: another document begins; there can be one")
            return
        into = self._open[-1]
        if isinstance(into.value, list):
            into.value.append(value)
        elif into.key is not None:
            into.value[into.key] = value
            into.key = None
        elif value in into.value:
            raise Unreadable(f"{_line(event)}: the key {value!r} is there twice")
        else:
            into.key = value


def _line(event: Any) -> str:
    return f"line {event.start_mark.line + 1}"


def _plain(text: str) -> Any:
    if text in _PLAIN:
        return _PLAIN[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text


def look_up(path: str, scope: Scope) -> Any:
    """The value at `message.media[0].url`, `params.x`, `request_response.name` …; None where there is none."""
    path = path.strip()
    if not _PATH.fullmatch(path):
        return None
    value: Any = {**scope.vars, "message": scope.message, "params": scope.params, "vars": scope.vars}
    for index, name in _PATH_STEP.findall(path):
        if index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        elif name and isinstance(value, dict):
            value = value.get(name)
        else:
            return None
    return value


def as_text(value: Any) -> str:
    """A value in the place of a placeholder: nothing for null, JSON for objects and lists."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def expand(value: Any, scope: Scope) -> Any:
    """`value` with each `%{path}` in its texts, keys excepted, replaced; what comes in that way is not read again.

    Pure substitution: what is no path to a value stands for nothing. Raises TooLong.
    """

    def substitute(match: re.Match[str]) -> str:
        found = as_text(look_up(match[1], scope))
        scope.spend(len(found) + 1)
        return found

    def within(value: Any) -> Any:
        scope.spend(1)
        match value:
            case str():
                return _PLACEHOLDER.sub(substitute, value)
            case list() | tuple():
                return [within(each) for each in value]
            case dict():
                return {key: within(each) for key, each in value.items()}
        return value

    return within(value)
