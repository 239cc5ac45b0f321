"""Documents in Messaging SWML: from the bytes of an answer to a `Program`, every step checked and named.

`swml` parses with it what it is given and what that leads to. What is checked here is a document's shape; whether
a section or a label is there, and whether a reply has anything to say, shows when a step is reached.
Sources: SignalWire, "SWML reference: Messaging SWML" (a page for each method), "Errors", "send_sms" (calling).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec

from tidings.answering.effects import Document, Unusable
from tidings.callbacks.exchange import METHODS
from tidings.dialects.swml_values import TRANSFORMS, Unreadable, read_json, read_yaml

MAX_JUMPS: Final = 100
"""To one label (`goto.max`: 1 to 100, by default 100)."""
MAX_TIMEOUT: Final = 5.0
"""Seconds that a `request` may take: the default, and what longer ones are cut to."""
MAX_NOTES: Final = 10
"""Of one document: enough to mend it by, however much is wrong."""

_JSON_TYPES: Final = frozenset({"application/json"})
_YAML_TYPES: Final = frozenset({"application/yaml", "text/x-yaml", "application/x-yaml", "text/yaml"})
"""The first two are SignalWire's; the others are what servers say where they do not know RFC 9512."""
_VERSION: Final = "1.0.0"
_BARE: Final[dict[str, Any]] = {"return": None, "receive": {}}
"""The methods that may stand alone, and what that means."""

_T = TypeVar("_T")


class Outgoing(msgspec.Struct, frozen=True):
    """A message as a step describes it, variables unexpanded."""

    body: str = ""
    media: tuple[str, ...] = ()
    recipient: str = ""
    sender: str = ""
    callback_url: str = ""
    tags: tuple[str, ...] = ()
    region: str = ""


class Choice(msgspec.Struct, Generic[_T], frozen=True):
    """A switch: on a step, or on what a reply says."""

    variable: str
    transform: Callable[[str], str]
    cases: dict[str, _T]
    default: _T | None


class Receive(msgspec.Struct, frozen=True):
    where: str


class SendReply(msgspec.Struct, frozen=True):
    where: str
    message: Outgoing | Choice[Outgoing]


class SendSms(msgspec.Struct, frozen=True):
    where: str
    message: Outgoing


class Request(msgspec.Struct, frozen=True):
    where: str
    url: str
    method: str
    headers: dict[str, Any]
    body: str | dict[str, Any] | list[Any] | None
    timeout: float
    """Seconds, `MAX_TIMEOUT` at most."""
    saves: bool


class GoTo(msgspec.Struct, frozen=True):
    """`execute` and `transfer`."""

    where: str
    returns: bool
    """Whether what comes behind it is run afterwards (`execute`)."""
    dest: Any
    """A section's name, a URL or a document in JSON, if it is text at all."""
    params: dict[str, Any]
    method: str
    expands: bool
    """Whether `dest` may hold variables: not where it stands alone."""


class Switch(msgspec.Struct, frozen=True):
    where: str
    choice: Choice[tuple["Step", ...]]


class Jump(msgspec.Struct, frozen=True):
    """`goto`."""

    where: str
    label: str
    most: int


class Label(msgspec.Struct, frozen=True):
    where: str
    name: str


class Return(msgspec.Struct, frozen=True):
    where: str
    value: Any


Step = Receive | SendReply | SendSms | Request | GoTo | Switch | Jump | Label | Return


class Program(msgspec.Struct, frozen=True):
    """A document, ready to be run from its section `main`."""

    sections: dict[str, tuple[Step, ...]]
    notes: tuple[str, ...] = ()
    """What is in it and has no meaning."""


def refusal(word: str, why: str, code: int = 12200) -> Unusable:
    """SignalWire's word for what is wrong, and ours."""
    return Unusable(code, f"{word}: {why}", word)


def parse(document: Document) -> Program:
    """The program in a document of JSON or YAML, as its content type says (none: by its first character).

    Raises Unusable: 12300 wrong content type, 12100 neither JSON nor YAML (`json_or_yaml_required`), 12200 no
    messaging document (`swml_…`).
    """
    kind = document.content_type
    if kind and kind not in _JSON_TYPES | _YAML_TYPES:
        raise refusal("json_or_yaml_required", f"{kind} is not a content type for SWML", 12300)
    try:
        content = document.content.decode("utf-8-sig")
        is_json = kind in _JSON_TYPES or (not kind and content.lstrip().startswith("{"))
        value = read_json(content) if is_json else read_yaml(content)
    except Unreadable as error:
        raise refusal("json_or_yaml_required", f"the document cannot be read: {error}", 12100) from None
    except UnicodeDecodeError as error:
        raise refusal("json_or_yaml_required", f"the document is not UTF-8: {error.reason}", 12100) from None
    if not isinstance(value, dict):
        raise refusal("json_or_yaml_required", "the document is not an object", 12100)
    return parse_object(value)


def parse_object(value: Mapping[str, Any]) -> Program:
    """The program that an object is: exactly one of `reply`, `receive` and `sections`; nothing at all receives."""
    reader = _Reader()
    entries = [name for name in ("reply", "receive", "sections") if name in value]
    if len(entries) > 1:
        raise refusal("swml_invalid_document", f"one of {' and '.join(entries)} can be there, not both")
    if value and not entries:
        raise refusal("swml_missing_entry_point", "there is neither reply, receive nor sections")
    if value.get("version", _VERSION) != _VERSION:
        raise refusal("swml_invalid_document", f"version can only be {_VERSION}")
    reader.known(value, {"version", *entries}, "the document")
    if "sections" in value:
        sections = reader.sections(value["sections"])
    else:
        sections = {"main": tuple(reader.step({name: value[name]}, name) for name in entries)}
    return Program(sections, tuple(reader.notes[:MAX_NOTES]))


class _Reader:
    """Makes steps of values. `where` is always the place in the document, for people."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._labels: set[str] = set()
        """Of the section that is being read."""

    def known(self, value: Mapping[str, Any], names: set[str], where: str) -> None:
        self.notes += [f"{name} has no meaning in {where}" for name in value if name not in names]

    def sections(self, value: Any) -> dict[str, tuple[Step, ...]]:
        if not isinstance(value, dict) or not isinstance(value.get("main"), list):
            raise refusal("swml_invalid_section_format", "sections must have main, a list of steps")
        sections = {}
        for name, steps in value.items():
            self._labels = set()
            if not isinstance(steps, list):
                raise refusal("swml_invalid_section_format", f"sections.{name} must be a list of steps")
            sections[name] = self.steps(steps, f"sections.{name}")
        return sections

    def steps(self, value: Any, where: str) -> tuple[Step, ...]:
        if not isinstance(value, list):
            raise _misshapen(where, "must be a list of steps")
        return tuple(self.step(each, f"{where}[{place}]") for place, each in enumerate(value))

    def step(self, value: Any, where: str) -> Step:
        if isinstance(value, str) and value in _BARE:
            value = {value: _BARE[value]}
        if not isinstance(value, dict) or len(value) != 1:
            raise _misshapen(where, "must be an object with one method")
        ((method, given),) = value.items()
        if method not in _STEPS:
            raise refusal("swml_unsupported_method", f"{where}: there is no method {method!r} for messages")
        return _STEPS[method](self, given, where if where == method else f"{where}.{method}")

    def receive(self, value: Any, where: str) -> Receive:
        self.known(_object({} if value is None else value, where), set(), where)
        return Receive(where)

    def reply(self, value: Any, where: str) -> SendReply:
        if isinstance(value, dict) and "switch" in value:
            if len(value) > 1:
                raise _misshapen(where, "has a switch; body, media and the rest go into its cases")
            return SendReply(where, self._choice(value["switch"], f"{where}.switch", self._reply_message))
        return SendReply(where, self._reply_message(value, where))

    def _reply_message(self, value: Any, where: str) -> Outgoing:
        if not isinstance(value, dict):
            return Outgoing(_text(value, where))
        given = value
        self.known(given, {"body", "media", "to", "from", "status_url"}, where)
        return Outgoing(
            _optional(given, "body", where),
            _texts(given, "media", where),
            _optional(given, "to", where),
            _optional(given, "from", where),
            _optional(given, "status_url", where),
        )

    def send_sms(self, value: Any, where: str) -> SendSms:
        given = _object(value, where)
        known = {"to_number", "from_number", "body", "media", "region", "tags", "status_callback"}
        self.known(given, known, where)
        for name in ("to_number", "from_number"):
            if name not in given:
                raise _misshapen(where, f"must have {name}")
        message = Outgoing(
            _optional(given, "body", where),
            _texts(given, "media", where),
            _optional(given, "to_number", where),
            _optional(given, "from_number", where),
            _optional(given, "status_callback", where),
            _texts(given, "tags", where),
            _optional(given, "region", where),
        )
        return SendSms(where, message)

    def request(self, value: Any, where: str) -> Request:
        given = _object(value, where)
        self.known(given, {"url", "method", "headers", "body", "timeout", "save_variables"}, where)
        method = _text(given.get("method", "POST"), f"{where}.method").upper()
        if method not in METHODS:
            raise _misshapen(f"{where}.method", f"must be one of {', '.join(METHODS)}")
        body = given.get("body")
        if not isinstance(body, str | dict | list | None):
            raise _misshapen(f"{where}.body", "must be text or an object")
        timeout = given.get("timeout", MAX_TIMEOUT)
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout < 0:
            raise _misshapen(f"{where}.timeout", "must be a number of seconds")
        saves = given.get("save_variables", False)
        if not isinstance(saves, bool):
            raise _misshapen(f"{where}.save_variables", "must be true or false")
        headers = _object(given.get("headers", {}), f"{where}.headers")
        url = _optional(given, "url", where)
        return Request(where, url, method, headers, body, float(min(timeout, MAX_TIMEOUT)), saves)

    def execute(self, value: Any, where: str) -> GoTo:
        return self._go_to(value, where, returns=True)

    def transfer(self, value: Any, where: str) -> GoTo:
        return self._go_to(value, where, returns=False)

    def _go_to(self, value: Any, where: str, *, returns: bool) -> GoTo:
        if isinstance(value, str):
            return GoTo(where, returns, value, {}, "POST", expands=False)
        given = _object(value, where)
        self.known(given, {"dest", "params"} if returns else {"dest", "params", "method"}, where)
        params = _object(given.get("params", {}), f"{where}.params")
        method = "POST" if returns else _text(given.get("method", "POST"), f"{where}.method").upper()
        return GoTo(where, returns, given.get("dest", ""), params, method, expands=True)

    def switch(self, value: Any, where: str) -> Switch:
        return Switch(where, self._choice(value, where, self.steps))

    def _choice(self, value: Any, where: str, read: Callable[[Any, str], _T]) -> Choice[_T]:
        given = _object(value, where)
        self.known(given, {"variable", "transform", "case", "default"}, where)
        if not isinstance(given.get("variable"), str):
            raise _misshapen(f"{where}.variable", "must be the name of a variable, without %{}")
        transform = given.get("transform")
        if transform is not None and (not isinstance(transform, str) or transform not in TRANSFORMS):
            raise refusal("swml_switch_invalid_transform", f"{where}: {transform!r} is not one of {_CHANGES}")
        cases = _object(given.get("case"), f"{where}.case")
        return Choice(
            given["variable"],
            TRANSFORMS[transform] if transform else str,
            {key: read(each, f"{where}.case.{key}") for key, each in cases.items()},
            read(given["default"], f"{where}.default") if given.get("default") is not None else None,
        )

    def goto(self, value: Any, where: str) -> Jump:
        given = {"label": value} if isinstance(value, str) else _object(value, where)
        self.known(given, {"label", "max"}, where)
        most = given.get("max", MAX_JUMPS)
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MAX_JUMPS:
            raise _misshapen(f"{where}.max", f"must be a whole number from 1 to {MAX_JUMPS}")
        return Jump(where, _text(given.get("label"), f"{where}.label"), most)

    def label(self, value: Any, where: str) -> Label:
        name = _text(value, where)
        if name in self._labels:
            raise _misshapen(where, f"{name!r} is there twice in its section")
        self._labels.add(name)
        return Label(where, name)

    def return_(self, value: Any, where: str) -> Return:
        return Return(where, value)


_STEPS: Final[dict[str, Callable[[_Reader, Any, str], Step]]] = {
    "receive": _Reader.receive,
    "reply": _Reader.reply,
    "send_sms": _Reader.send_sms,
    "request": _Reader.request,
    "execute": _Reader.execute,
    "transfer": _Reader.transfer,
    "switch": _Reader.switch,
    "goto": _Reader.goto,
    "label": _Reader.label,
    "return": _Reader.return_,
}
"""The methods for messages; `send_sms`, which SignalWire has for calls only, is one here."""

_CHANGES: Final = ", ".join(TRANSFORMS)


def _misshapen(where: str, why: str) -> Unusable:
    return refusal("swml_invalid_document", f"{where} {why}")


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _misshapen(where, "must be an object")
    return value


def _text(value: Any, where: str) -> str:
    """Text, or a number, which in YAML is what text without quotes may be taken for."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _misshapen(where, "must be text")
    return str(value)


def _optional(given: Mapping[str, Any], name: str, where: str) -> str:
    """ "" where it is not there, or null."""
    value = given.get(name)
    return "" if value is None else _text(value, f"{where}.{name}")


def _texts(given: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = given.get(name)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _misshapen(f"{where}.{name}", "must be a list of texts")
    return tuple(_text(each, f"{where}.{name}[{place}]") for place, each in enumerate(value))
