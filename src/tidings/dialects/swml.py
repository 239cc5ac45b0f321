"""Messaging SWML, run step by step: what a document says that is to be done with an inbound message.

`conversation` drives `run`, and asks URLs for documents with `payload`. A step that fails softly (`reply`,
`send_sms`, `request`) sets a variable for the next ones to look at; any other failure ends the script.
Three things are ours. A document has one set of variables for all sections and documents it leads to, where
SignalWire keeps some from some; `send_sms` may be used in answer to a message; there is no space, so its id is the
project's. Sources as in `swml_document`.
"""

import json
import re
from collections.abc import Callable, Generator
from typing import Any, Final, TypeVar

import msgspec

from tidings.answering.effects import (
    Call,
    Called,
    Document,
    Effect,
    FetchDocument,
    Inbound,
    Note,
    Replied,
    Reply,
    Script,
    Unusable,
)
from tidings.callbacks.exchange import METHODS
from tidings.clock import zulu
from tidings.dialects.signalwire import MAX_MEDIA
from tidings.dialects.swml_document import (
    Choice,
    GoTo,
    Jump,
    Label,
    Outgoing,
    Program,
    Receive,
    Request,
    Return,
    SendReply,
    SendSms,
    Step,
    Switch,
    parse_object,
    refusal,
)
from tidings.dialects.swml_document import parse as parse
from tidings.dialects.swml_values import (
    MAX_EXPANDED,
    Scope,
    TooLong,
    Unreadable,
    as_text,
    expand,
    look_up,
    read_json,
)
from tidings.ids import dashed

MAX_STEPS: Final = 100
"""Of one inbound message, whatever documents they are in: "once that ceiling is hit, execution stops"."""
MAX_REQUESTS: Final = 10
"""`request` steps of one inbound message; the next ones are `limit_exceeded`."""
MAX_DOCUMENTS: Final = 32
"""That `execute` and `transfer` ask for: what SignalWire has for calls (`relay_script_too_many_transfers`)."""
MAX_RESPONSE: Final = 64 * 1024
"""Bytes of an answer to `request` that become `request_response_body`."""

_T = TypeVar("_T")
_UNSET: Final[Any] = object()
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110 §5.6.2: a token."""
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
_FRAMING: Final = frozenset({"connection", "content-length", "host", "te", "transfer-encoding", "upgrade"})
"""Headers that say how a request is carried: not the document's to set."""
_REPLY_WORDS: Final[dict[int, str]] = {
    21211: "swml_reply_invalid_to_number",
    21212: "swml_reply_invalid_from_number",
    21602: "swml_reply_body_or_media_required",
    21604: "swml_reply_invalid_to_number",
    21606: "swml_reply_invalid_from_number",
    21617: "swml_reply_character_limit_exceeded",
    21621: "swml_reply_missing_messaging_capability",
    21623: "swml_reply_media_limit_exceeded",
}


def message_object(inbound: Inbound) -> dict[str, Any]:
    """`message`, as it is sent for a document and as documents name it (schema InboundMessageContext)."""
    return {
        "message_id": dashed(inbound.message_id),
        "project_id": dashed(inbound.account),
        "space_id": dashed(inbound.account),
        "direction": "inbound",
        "type": inbound.channel,
        "from": inbound.sender,
        "to": inbound.recipient,
        "body": inbound.body or (None if inbound.media else ""),
        "media": [{"url": url, "content_type": kind, "size": size} for url, kind, size in inbound.media],
        "segments": inbound.segments,
        "timestamp": zulu(inbound.received_at),
    }


def payload(
    inbound: Inbound, params: dict[str, Any] | None = None, variables: dict[str, Any] | None = None
) -> bytes:
    """The JSON that a URL is asked for a document with. `vars` is in it on the way of a document only."""
    body: dict[str, Any] = {"message": message_object(inbound)}
    if variables is not None:
        body["vars"] = variables
    body["params"] = params or {}
    return json.dumps(body, separators=(",", ":")).encode()


def run(program: Program, inbound: Inbound) -> Script:
    """Do what `program` says in answer to `inbound`.

    Raises Unusable where a step cannot be done and has no variable to say so: a section, label or case that is not
    there, a document that is none (`swml_…`).
    """
    machine = _Machine(program, inbound)
    yield from machine.notes(program)
    steps = 0
    while (step := machine.next()) is not None:
        if steps == MAX_STEPS:
            yield Note(14106, f"Stopped at {step.where}: {MAX_STEPS} steps have been done")
            return
        steps += 1
        try:
            if (effects := _DO[type(step)](machine, step)) is not None:
                yield from effects
        except TooLong:
            why = f"{step.where}: by then variables stand for more than {MAX_EXPANDED} characters"
            raise Unusable(14106, why) from None


class _Frame(msgspec.Struct):
    """A list of steps that is being done: a section, or the case of a switch in it."""

    steps: tuple[Step, ...]
    program: Program
    caller: tuple[dict[str, Any], Any] | None
    """A section's: the `params` and `return_value` that its caller had. None: a case."""
    at: int = 0
    jumps: dict[str, int] = {}
    """How often each label was jumped to; a section's."""


class _Machine:
    """Where a script is, and what it knows. Each kind of step has a method; a generator where it has effects."""

    def __init__(self, program: Program, inbound: Inbound) -> None:
        self._inbound = inbound
        self._scope = Scope(message_object(inbound), {}, {})
        self._frames: list[_Frame] = []
        self._requests = 0
        self._documents = 0
        self._enter(program.sections["main"], program, {})

    def notes(self, program: Program) -> Generator[Effect, Any, None]:
        for words in program.notes:
            yield Note(12200, words)

    def next(self) -> Step | None:
        """The step that is to be done, and on to the one behind it; None: it is over."""
        while self._frames and self._frames[-1].at == len(self._frames[-1].steps):
            left = self._frames.pop()
            if left.caller is not None:
                self._scope.params, returned = left.caller
                self._set("return_value", returned)
        if not self._frames:
            return None
        frame = self._frames[-1]
        frame.at += 1
        return frame.steps[frame.at - 1]

    def _enter(self, steps: tuple[Step, ...], program: Program, params: dict[str, Any]) -> None:
        caller = (self._scope.params, self._scope.vars.get("return_value", _UNSET))
        self._frames.append(_Frame(steps, program, caller))
        self._scope.params = params

    def _set(self, name: str, value: Any) -> None:
        if value is _UNSET:
            self._scope.vars.pop(name, None)
        else:
            self._scope.vars[name] = value

    def _expand(self, value: Any) -> Any:
        return expand(value, self._scope)

    def do_nothing(self, _: Receive | Label) -> None:
        pass

    # --- messages

    def reply(self, step: SendReply) -> Generator[Effect, Any, None]:
        message = step.message
        if isinstance(message, Choice):
            message = self._chosen(message, step.where)
        replied = yield from self._send(message, step)
        self._set("reply_result", "failed" if replied.message_id is None else "queued")
        self._set("reply_message_id", _UNSET if replied.message_id is None else dashed(replied.message_id))

    def send_sms(self, step: SendSms) -> Generator[Effect, Any, None]:
        replied = yield from self._send(step.message, step)
        self._set("send_sms_result", "failed" if replied.message_id is None else "success")

    def _send(self, message: Outgoing, step: SendReply | SendSms) -> Generator[Effect, Any, Replied]:
        filled: dict[str, Any] = self._expand(msgspec.structs.asdict(message))
        body, media = filled["body"], tuple(filled["media"])
        if not (body or media):
            replied, why = Replied(None, 21602), "it has neither body nor media"
        elif len(media) > MAX_MEDIA:
            replied, why = Replied(None, 21623), f"it has {len(media)} media; {MAX_MEDIA} are allowed"
        else:
            replied = yield Reply(
                body,
                media,
                filled["recipient"] or None,
                filled["sender"] or None,
                filled["callback_url"] or None,
                tuple(filled["tags"]),
                filled["region"] or None,
            )
            why = f"the message was refused with error {replied.error}"
        if replied.message_id is None:
            word = _REPLY_WORDS.get(replied.error or 0, "swml_reply_failed")
            named = f"{word}: " if isinstance(step, SendReply) else ""
            yield Note(replied.error or 20500, f"{named}{step.where}: {why}")
        return replied

    # --- requests

    def request(self, step: Request) -> Generator[Effect, Any, None]:
        filled = self._expand({"url": step.url, "headers": step.headers, "body": step.body})
        if not filled["url"]:
            raise refusal("swml_request_url_required", f"{step.where} must have a url")
        if self._requests == MAX_REQUESTS:
            yield Note(14106, f"{step.where}: {MAX_REQUESTS} requests have been made; this one was not")
            self._set("request_result", "limit_exceeded")
            return
        self._requests += 1
        given = {name: as_text(value) for name, value in filled["headers"].items()}
        headers = {name: value for name, value in given.items() if _carries(name, value)}
        if len(headers) < len(given):
            refused = ", ".join(name for name in given if name not in headers)
            yield Note(12200, f"{step.where}: headers that cannot be sent were left out: {refused:.200}")
        body = filled["body"]
        if isinstance(body, dict | list) and "content-type" not in {name.lower() for name in headers}:
            headers["Content-Type"] = "application/json"
        content = as_text(body).encode(errors="replace")
        called: Called = yield Call(filled["url"], step.method, tuple(headers.items()), content, step.timeout)
        self._keep_response(called, saves=step.saves)

    def _keep_response(self, called: Called, *, saves: bool) -> None:
        answered = bool(called.status)
        body = called.content[:MAX_RESPONSE].decode(errors="replace")
        parsed = _json(called.content) if saves and answered else _UNSET
        result = "success" if 200 <= called.status < 300 else "timeout" if called.timed_out else "failed"
        self._set("request_result", result)
        self._set("request_response_code", called.status if answered else _UNSET)
        self._set("request_response_body", body if answered else _UNSET)
        self._set("request_response", parsed)

    # --- where to go on

    def switch(self, step: Switch) -> None:
        steps = self._chosen(step.choice, step.where)
        self._frames.append(_Frame(steps, self._frames[-1].program, None))

    def _chosen(self, choice: Choice[Any], where: str) -> Any:
        value = choice.transform(as_text(look_up(choice.variable, self._scope)))
        found = choice.cases.get(value, choice.default)
        if found is None:
            raise refusal("swml_switch_no_match", f"{where} has no case for {value[:100]!r}, and no default")
        return found

    def jump(self, step: Jump) -> None:
        """Back or forth to a label of the section, in the list that the step is in or in one around it."""
        section = max(depth for depth, frame in enumerate(self._frames) if frame.caller is not None)
        for depth in range(len(self._frames) - 1, section - 1, -1):
            place = _place(step.label, self._frames[depth].steps)
            if place is not None:
                jumps = self._frames[section].jumps
                made = jumps.get(step.label, 0)
                if made < step.most:
                    jumps[step.label] = made + 1
                    del self._frames[depth + 1 :]
                    self._frames[depth].at = place
                return
        raise refusal("swml_goto_label_not_found", f"{step.where}: there is no {step.label!r} in its section")

    def give_back(self, step: Return) -> None:
        value = self._expand(step.value)
        while (left := self._frames.pop()).caller is None:
            pass
        self._scope.params = left.caller[0]
        self._set("return_value", value)

    def go_to(self, step: GoTo) -> Generator[Effect, Any, None]:
        """`execute` and `transfer`. A document that stands in `dest` is not expanded here: its steps will be."""
        dest, params = step.dest, self._expand(step.params)
        inline = _inline(dest)
        if inline is None and step.expands:
            dest = self._expand(dest)
            inline = _inline(dest)
        if not (dest or step.returns):
            raise refusal("swml_transfer_failed", f"{step.where} must have a dest")
        if inline is not None:
            entered, name = _valid(step, parse_object, inline), "main"
            yield from self.notes(entered)
        elif isinstance(dest, str) and dest.startswith(("http://", "https://")):
            document = yield from self._fetch(step, dest, params)
            entered, name = _valid(step, parse, document), "main"
            yield from self.notes(entered)
        else:
            entered, name = self._frames[-1].program, dest
            if not isinstance(name, str) or name not in entered.sections:
                raise refusal("swml_section_not_found", f"{step.where}: there is no section {dest!r:.100}")
        if not step.returns:
            self._frames.clear()
        self._enter(entered.sections[name], entered, params)

    def _fetch(self, step: GoTo, url: str, params: dict[str, Any]) -> Generator[Effect, Any, Document]:
        word = _word(step, "fetch_failed")
        if step.method not in METHODS:
            raise refusal(word, f"{step.where}: a document cannot be asked for by {step.method}")
        if self._documents == MAX_DOCUMENTS:
            raise refusal(word, f"{step.where}: {MAX_DOCUMENTS} documents have been asked for", 14106)
        self._documents += 1
        body = payload(self._inbound, params, self._scope.vars)
        document: Document = yield FetchDocument(url, step.method, body=body)
        return document


def _word(step: GoTo, what: str) -> str:
    return f"swml_{'execute' if step.returns else 'transfer'}_{what}"


def _valid(step: GoTo, read: Callable[[_T], Program], document: _T) -> Program:
    """What `read` makes of a document that a step leads to; what is wrong with it is named by the step."""
    try:
        return read(document)
    except Unusable as error:
        unread = error.word == "json_or_yaml_required"
        word = _word(step, "fetch_failed" if unread else "document_invalid")
        raise refusal(word, f"{step.where}: {error}", error.code) from None


def _json(content: bytes) -> Any:
    try:
        return read_json(content.decode("utf-8-sig"))
    except ValueError:
        return _UNSET


def _inline(dest: Any) -> dict[str, Any] | None:
    """The document that `dest` is, where it is JSON for an object."""
    try:
        value = read_json(dest) if isinstance(dest, str) and dest.lstrip().startswith("{") else None
    except Unreadable:
        return None
    return value if isinstance(value, dict) else None


def _place(label: str, steps: tuple[Step, ...]) -> int | None:
    return next((at for at, each in enumerate(steps) if isinstance(each, Label) and each.name == label), None)


def _carries(name: str, value: str) -> bool:
    """Whether a header can be sent, and is the document's to set."""
    return (
        _HEADER.fullmatch(name) is not None
        and name.lower() not in _FRAMING
        and _HEADER_VALUE.fullmatch(value) is not None
    )


_DO: Final[dict[type[Step], Callable[[_Machine, Any], Generator[Effect, Any, None] | None]]] = {
    Receive: _Machine.do_nothing,
    Label: _Machine.do_nothing,
    SendReply: _Machine.reply,
    SendSms: _Machine.send_sms,
    Request: _Machine.request,
    Switch: _Machine.switch,
    Jump: _Machine.jump,
    Return: _Machine.give_back,
    GoTo: _Machine.go_to,
}
