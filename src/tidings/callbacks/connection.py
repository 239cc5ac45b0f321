"""One HTTP/1.1 connection to an application: one exchange at a time, many one after another.

`transport.Transport` owns connections and hands each the bytes of a request. There is no Task, no stream
and no timer here: bytes in drive httptools' parser, and the owner's sweep looks at `due` now and then.
"""

import asyncio
import math
import time
from typing import Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from tidings.callbacks.exchange import Kind, Response, TransportError

MAX_BODY = 64 * 1024
"""Bytes of a response body that are kept (Twilio: 11750 for more than 64 kB of TwiML)."""
MAX_HEAD = 64 * 1024
"""Bytes up to the end of a response's headers, interim responses (1xx) included."""
MAX_WIRE = 1024 * 1024
"""Bytes of a whole response with its chunk sizes, extensions and trailers."""


class Stale(TransportError):
    """A connection used before was closed under a request of which the server saw perhaps nothing."""


class Owner(Protocol):
    """Who keeps connections."""

    def released(self, connection: "Connection") -> None:
        """The exchange is over and the connection can carry another."""
        ...

    def lost(self, connection: "Connection") -> None:
        """The connection is closed; said once, last."""
        ...


class Connection(asyncio.Protocol):
    """States: idle, busy (an exchange waits for its answer), closed. `due` is the time of the next check."""

    __slots__ = (
        "_answer",
        "_asked",
        "_body",
        "_complete",
        "_deadline",
        "_first",
        "_headers",
        "_idle",
        "_keep_alive",
        "_kept",
        "_loop",
        "_most",
        "_owner",
        "_parser",
        "_read",
        "_received",
        "_started",
        "_status",
        "_transport",
        "_truncated",
        "_used",
        "address",
        "due",
    )

    def __init__(
        self, owner: Owner, loop: asyncio.AbstractEventLoop, address: str, idle: float, most: int = MAX_BODY
    ) -> None:
        """`idle` is for how many seconds an unused connection is kept, `most` how many bytes of a body are."""
        self._owner = owner
        self._loop = loop
        self.address = address
        self.due = math.inf
        self._idle = idle
        self._most = most
        self._used = False
        self._asked = self._started = 0.0
        self._transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None
        self._answer: asyncio.Future[Response] | None = None

    @property
    def busy(self) -> bool:
        return self._answer is not None

    @property
    def closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def exchange(self, payload: bytes, read: float, started: float, deadline: float) -> asyncio.Future[Response]:
        """Write a whole request; the future gets the response, or `TransportError`.

        `read` in seconds, `started` and `deadline` on the monotonic clock. Who cancels the future closes
        the connection (`abort`).
        """
        answer: asyncio.Future[Response] = self._loop.create_future()
        transport = self._transport
        self._received = 0
        self._started = started
        self._asked = time.monotonic()
        if transport is None or transport.is_closing():
            answer.set_exception(self._cut())
            return answer
        self._answer = answer
        self._deadline = deadline
        self._read = read
        self._status = 0
        self._kept = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._complete = False
        self._truncated = False
        self.due = min(deadline, self._asked + read)
        transport.write(payload)
        return answer

    def overdue(self, now: float) -> None:
        """The owner's sweep found `due` passed."""
        if self._answer is None:
            self.close()
        elif now >= self._deadline:
            self._fail(Kind.TOTAL_TIMEOUT, "the response took too long altogether")
        else:
            self._fail(Kind.READ_TIMEOUT, "the server fell silent" if self._received else "no response in time")

    def close(self) -> None:
        """Close politely (with close_notify under TLS), unless the peer has yet to read something."""
        self.due = math.inf
        if self._transport is not None:
            if self._transport.get_write_buffer_size():
                self._transport.abort()
            else:
                self._transport.close()

    def abort(self) -> None:
        """Close now; an exchange under way is not answered unless its future still waits."""
        self.due = math.inf
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._parser is None:
            self.abort()  # it talks though nothing was asked: what it says next could not be trusted
            return
        now = time.monotonic()
        if not self._received:
            self._first = now
        self.due = min(self._deadline, now + self._read)
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self._complete:
                self._fail(Kind.PROTOCOL, f"not an HTTP/1.1 response: {error}")
                return
            self._keep_alive = False
        if self._complete or self._truncated:
            self._finish()
        elif self._received > (MAX_WIRE + self._most - MAX_BODY if self._status else MAX_HEAD):
            if self._status:
                self._truncated = True
                self._finish()
            else:
                self._fail(Kind.PROTOCOL, f"response headers are longer than {MAX_HEAD} bytes")

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = self._parser = None
        answer = self._answer
        if answer is not None and not answer.done():
            if error is None and self._ends_with_connection():
                self._keep_alive = False
                self._finish()
            else:
                self._answer = None
                answer.set_exception(self._cut())
        self._owner.lost(self)

    # What the parser calls

    def on_message_begin(self) -> None:
        if self._complete:
            raise HttpParserError("a second response to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._status:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = cast(HttpResponseParser, self._parser).get_status_code()
        if status >= 200:
            self._status = status
        else:
            self._headers.clear()

    def on_body(self, chunk: bytes) -> None:
        room = self._most - self._kept
        if len(chunk) > room:
            self._truncated = True
            chunk = chunk[:room]
        self._kept += len(chunk)
        self._body.append(chunk)

    def on_message_complete(self) -> None:
        if self._status:
            self._complete = True
            self._keep_alive = cast(HttpResponseParser, self._parser).should_keep_alive()

    def _finish(self) -> None:
        answer, transport = self._answer, self._transport
        self._answer = None
        now = time.monotonic()
        if answer is not None and not answer.done():
            started = self._started
            answer.set_result(
                Response(
                    self._status,
                    self._headers,
                    b"".join(self._body),
                    now - started,
                    self._truncated,
                    self._asked - started,
                    self._first - started,
                )
            )
        if self._truncated:
            self.abort()
        elif not self._keep_alive or transport is None or transport.get_write_buffer_size():
            self.close()  # asked for; or answered before the whole request was out, so out of step
        elif not transport.is_closing():
            self._used = True
            self.due = now + self._idle
            self._owner.released(self)

    def _fail(self, kind: Kind, detail: str) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(self._failure(TransportError, kind, detail))
        self.abort()

    def _cut(self) -> TransportError:
        if self._received:
            return self._failure(TransportError, Kind.RESET, "connection closed before the response was whole")
        failure = Stale if self._used else TransportError
        return self._failure(failure, Kind.RESET, "connection closed before any response")

    def _failure(self, failure: type[TransportError], kind: Kind, detail: str) -> TransportError:
        made = failure(kind, detail, heard=self._received > 0)
        made.connected = self._asked - self._started
        if self._received:
            made.first_byte = self._first - self._started
        return made

    def _ends_with_connection(self) -> bool:
        """Whether the body of the response under way is all that comes until the end (RFC 9112 §6.3)."""
        if not self._status:
            return False
        framing = {name.lower(): value.lower() for name, value in self._headers}
        return b"content-length" not in framing and not framing.get(b"transfer-encoding", b"").endswith(b"chunked")
