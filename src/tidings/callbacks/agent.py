"""What a user agent does above one exchange: it follows redirects, and gives credentials once asked for them.

`round` is the caller. Every request on the way goes through the transport, and so through the guard.
"""

import re
import time
from typing import Final
from urllib.parse import urljoin

import msgspec

from tidings.callbacks.credentials import authorization
from tidings.callbacks.exchange import Kind, Request, Response, TransportError
from tidings.callbacks.transport import Transport
from tidings.callbacks.url import Url, parse_url
from tidings.dialects.own import masked

UNAUTHORIZED: Final = 401
BECOMES_GET: Final = frozenset({301, 302, 303})
"""RFC 9110 §15.4 allows it for the first two, and everybody does it."""
REPEATED: Final = frozenset({307, 308})
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match
_GOES_ON: Final = BECOMES_GET | REPEATED | {UNAUTHORIZED}


class Fetched(msgspec.Struct, frozen=True):
    """What came of a request and of those that followed from it; times count from the start of the first one."""

    response: Response | None
    """The last one; beside a `failure`, the redirect that was one too many."""
    failure: TransportError | None
    """Why there is no answer."""
    notes: tuple[str, ...] = ()
    """What was done on the way, for people."""
    url: Url | None = None
    """Where the response is from, if redirects led there."""

    @property
    def answer(self) -> Response | TransportError:
        """What there is to be judged."""
        answer = self.failure or self.response
        assert answer is not None, "a request ends one way or the other"
        return answer


async def fetch(transport: Transport, request: Request, redirects: int, deadline: float) -> Fetched:
    """Make a request, and those that its answers lead to, before `deadline` (monotonic clock).

    At most `redirects` are followed; with 0 a 3xx is an answer like any other, as it is without a Location that
    can be called. The credentials of the URL are given to its own origin alone, once per request that was
    challenged. Headers go with a redirect, but for Authorization, and for Content-Type where the body does not.
    """
    try:
        response = await transport.send(request, deadline)
    except TransportError as failure:
        return Fetched(None, failure)
    if response.status not in _GOES_ON:
        return Fetched(response, None)
    return await _go_on(transport, request, response, redirects, deadline)


async def _go_on(
    transport: Transport, request: Request, first: Response, redirects: int, deadline: float
) -> Fetched:
    begun = time.monotonic() - first.elapsed
    home, response = request.url, first
    notes: list[str] = []
    visited: list[_Place] = [_place(request)]
    while further := _further(request, response, home, redirects):
        request, note = further
        notes.append(note)
        if response.status != UNAUTHORIZED:
            place = _place(request)
            failure = _wrong(place, visited, redirects)
            if failure is not None:
                return Fetched(response, _timed(failure, first, response.first_byte, begun), tuple(notes))
            visited.append(place)
        asked = time.monotonic() - begun
        try:
            response = await transport.send(request, deadline)
        except TransportError as failure:
            heard = failure.first_byte and asked + failure.first_byte
            return Fetched(None, _timed(failure, first, heard, begun), tuple(notes))
        response = msgspec.structs.replace(
            response,
            connected=first.connected,
            first_byte=asked + response.first_byte,
            elapsed=asked + response.elapsed,
        )
    return Fetched(response, None, tuple(notes), request.url if len(visited) > 1 else None)


def _timed(failure: TransportError, first: Response, first_byte: float | None, begun: float) -> TransportError:
    """`failure`, timed from the start of the first request."""
    failure.connected = first.connected
    failure.first_byte = first_byte
    failure.elapsed = time.monotonic() - begun
    return failure


def _further(request: Request, response: Response, home: Url, redirects: int) -> tuple[Request, str] | None:
    """The request that an answer leads to, and what to say of it; None where it is the last word."""
    if response.status == UNAUTHORIZED:
        return _authorized(request, response, home)
    if response.status in _GOES_ON and redirects:
        return _redirected(request, response)
    return None


def _authorized(request: Request, response: Response, home: Url) -> tuple[Request, str] | None:
    given = any(name == b"Authorization" for name, _ in request.headers)
    if given or home.credentials is None or request.url.origin != home.origin:
        return None
    challenges = [value for name, value in response.headers if name.lower() == b"www-authenticate"]
    answer = authorization(challenges, request.method, request.url.target, *home.credentials)
    if answer is None:
        return None
    headers = (*request.headers, (b"Authorization", answer))
    scheme = answer.partition(b" ")[0].decode()
    return msgspec.structs.replace(request, headers=headers), f"answered a {scheme} challenge"


def _redirected(request: Request, response: Response) -> tuple[Request, str] | None:
    location = (response.header(b"location") or b"").decode("latin-1")
    if not location:
        return None
    try:
        url = parse_url(location if _ABSOLUTE(location) else urljoin(request.url.text, location))
    except ValueError:
        return None
    note = f"redirected to {masked(url.text)}"
    left_out = {b"authorization"}
    if response.status in BECOMES_GET:
        left_out.add(b"content-type")
        request = msgspec.structs.replace(request, method="GET", body=b"")
    headers = [header for header in request.headers if header[0].lower() not in left_out]
    return msgspec.structs.replace(request, url=url, headers=headers), note


_Place = tuple[str, tuple[str, str, int], str]


def _place(request: Request) -> _Place:
    return request.method, request.url.origin, request.url.target


def _wrong(place: _Place, visited: list[_Place], redirects: int) -> TransportError | None:
    if place in visited:
        return TransportError(Kind.REDIRECTS, "redirects in a loop", heard=True)
    if len(visited) > redirects:
        return TransportError(Kind.REDIRECTS, f"more than {redirects} redirects", heard=True)
    return None
