"""HTTP as the endpoints of this room see it: bodies within a limit, decoded parameters, answers in one piece.

Every endpoint is an `Endpoint`: it finds the handler for a method, and turns whatever the handler raises into an
answer in the caller's dialect. Written on bare ASGI, as it stands in the way of every message.
"""

import logging
import re
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.types import Receive, Scope, Send

from tidings.errors import Problem
from tidings.store.base import StoreError
from tidings.web.crowd import Crowd

MAX_BODY: Final = 64 * 1024
"""Octets of a request body (20413)."""
MAX_PARAMETERS: Final = 1000
"""Parameters in a form or query (20413)."""
NO_CONTENT: Final = 204
"""There is no Content-Length with it (RFC 9110 §8.6)."""
FORM: Final = b"application/x-www-form-urlencoded"

Header = tuple[bytes, bytes]

log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Answer(NamedTuple):
    status: int
    content: bytes
    headers: list[Header]


class Disconnected(Exception):
    """The client went away before its request was complete: there is nobody to answer."""


class Request:
    """One HTTP request."""

    __slots__ = ("_receive", "crowd", "headers", "method", "path", "path_params", "query_string", "scheme")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.scheme: str = scope.get("scheme", "http")
        self.path: str = scope["path"]
        self.path_params: dict[str, str] = scope.get("path_params", {})
        self.query_string: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.crowd: Crowd | None = None
        """Its account's, once that is known."""
        self._receive = receive

    def query(self) -> list[tuple[str, str]]:
        """The query's parameters. Raises Problem as `parse_form` does."""
        return parse_form(self.query_string)

    async def form(self) -> list[tuple[str, str]]:
        """The form's parameters. Raises Problem: 20413 too long, 20001 not a readable form."""
        content_type = self.headers.get(b"content-type", FORM)
        if content_type.partition(b";")[0].strip().lower() != FORM:
            raise Problem(20001, name="Content-Type", reason=f"it must be {FORM.decode()}")
        return parse_form(await self.body())

    async def json(self, limit: int = MAX_BODY) -> dict[str, Any]:
        """The JSON object of the body, whatever its content type; no body is an empty object.

        Raises Problem: 20413 longer than `limit` octets, 20001 not a JSON object, 20422 NUL.
        """
        raw = await self.body(limit)
        if not raw:
            return {}
        try:
            decoded = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Problem(20001, reason=f"the body is not JSON: {error}") from None
        except RecursionError:
            raise Problem(20001, reason="the body is nested too deep") from None
        if not isinstance(decoded, dict):
            raise Problem(20001, reason="the body is not a JSON object")
        if b"\\u0000" in raw:
            raise Problem(20422, reason="NUL is not a character of any text")
        return decoded

    @property
    def is_json(self) -> bool:
        """Whether the body says that it is JSON."""
        content_type = self.headers.get(b"content-type", b"")
        return content_type.partition(b";")[0].strip().lower() == b"application/json"

    async def body(self, limit: int = MAX_BODY) -> bytes:
        """As it came. Raises Problem 20413 where it is longer than `limit` octets."""
        length = self.headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            raise Problem(20413)
        body = bytearray()
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            body += message.get("body", b"")
            if len(body) > limit:
                raise Problem(20413)
            if not message.get("more_body", False):
                return bytes(body)


def parse_form(raw: bytes) -> list[tuple[str, str]]:
    """Decode `a=1&b=2` strictly. Raises Problem: 20001 unreadable, 20413 too many, 20422 NUL."""
    if raw.count(b"&") >= MAX_PARAMETERS:
        raise Problem(20413)
    if _BAD_ESCAPE.search(raw):
        raise Problem(20001, reason="a percent sign without two hex digits behind it")
    # No alphabet of messages has it, and not every store can keep it.
    if b"%00" in raw or b"\0" in raw:
        raise Problem(20422, reason="NUL is not a character of any text")
    try:
        pairs = [pair.partition("=") for pair in raw.decode().replace("+", " ").split("&")]
        params = [(_unescape(name), _unescape(value)) for name, _, value in pairs if name or value]
    except UnicodeDecodeError:
        raise Problem(20001, reason="the parameters are not in UTF-8") from None
    if any(not name for name, _ in params):
        raise Problem(20001, reason="a value without the name of its parameter")
    return params


def _unescape(text: str) -> str:
    return unquote_to_bytes(text).decode() if "%" in text else text


def base_url(request: Request, public_url: str) -> str:
    """What stands before a path in an absolute URL: `[server] public_url`, or else whatever the client asked."""
    if public_url:
        return public_url.rstrip("/")
    return f"{request.scheme}://{request.headers.get(b'host', b'localhost').decode('latin-1')}"


def json_answer(
    status: int, content: Any, headers: list[Header] | None = None, content_type: bytes = b"application/json"
) -> Answer:
    return Answer(status, _encoder.encode(content), [(b"content-type", content_type), *(headers or [])])


Handler = Callable[[Request], Awaitable[Answer]]
Refuse = Callable[[Problem], Answer]
"""A problem in a dialect's words."""
Stamp = Callable[[float, int], list[Header]]
"""Headers for every answer, from the seconds it took and the number of its account's requests under way."""


class Endpoint:
    """One path: its handlers by method, in one dialect. An ASGI application."""

    def __init__(self, handlers: dict[str, Handler], refuse: Refuse, stamp: Stamp | None = None) -> None:
        self._handlers = handlers if "GET" not in handlers else {"HEAD": handlers["GET"], **handlers}
        self._refuse = refuse
        self._stamp = stamp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            status, content, headers = await self._answer(request)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": content})
        except Disconnected:
            return
        finally:
            if request.crowd is not None:
                request.crowd.leave(request)

    async def _answer(self, request: Request) -> Answer:
        started = perf_counter()
        try:
            answer = await self._handlers.get(request.method, self._no_such_method)(request)
        except Disconnected:
            raise
        except Exception as error:
            answer = self._refuse(_problem(error, request))
        if self._stamp:
            # Where nobody knows whose request it is, it stands for itself.
            under_way = 1 if request.crowd is None else len(request.crowd)
            answer.headers.extend(self._stamp(perf_counter() - started, under_way))
        if answer.status != NO_CONTENT:
            answer.headers.append((b"content-length", b"%d" % len(answer.content)))
        return answer

    async def _no_such_method(self, request: Request) -> Answer:
        raise Problem(20004, value=f"{request.method} {request.path}", allow=", ".join(sorted(self._handlers)))


def _problem(error: Exception, request: Request) -> Problem:
    """What the client is told of whatever a handler raised; what is our fault is logged."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, StoreError):
        log.error("%s %r: the store failed", request.method, request.path, exc_info=error)
        return Problem(20503)
    log.error("%s %r failed", request.method, request.path, exc_info=error)
    return Problem(20500)


def refusal_headers(problem: Problem) -> list[Header]:
    """The headers that HTTP has for an error status, whatever the dialect (RFC 9110 §10.2.3, §11.6.1, §15.5.6)."""
    if problem.http == 401:
        return [(b"www-authenticate", b'Basic realm="Tidings", charset="UTF-8"')]
    if problem.http == 405:
        return [(b"allow", str(problem.details["allow"]).encode())]
    if problem.code == 20429:
        return [(b"retry-after", b"1")]
    # What is left of a body that is too long is not read.
    return [(b"connection", b"close")] if problem.http == 413 else []
