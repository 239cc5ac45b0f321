"""What a RELAY peer can ask for: to be known, to listen to contexts, to send a message. One method, one handler.

A session (`relay.session`) has one `Methods` and hands it every request; the answer is a frame to be written. The
two forms differ in how a session begins and in what wraps a request; from there on they ask for the same.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, Protocol

from msgspec import UNSET
from msgspec.structs import replace

from tidings.clock import SECOND
from tidings.dialects.signalwire_relay import accepted_json, parse_contexts, parse_send, refusal_json, words
from tidings.errors import Problem
from tidings.gateway.submit import Submitted
from tidings.ids import dashed, random_hex
from tidings.model import Account, Order
from tidings.relay import frames
from tidings.relay.frames import BLADE, RELAY, Form, Refused, Request
from tidings.relay.hub import Full, Hub, Session
from tidings.relay.protocol import is_ours, new_protocol, signature_of
from tidings.store.base import StoreError

POLICY, TRY_LATER = 1008, 1013
"""Codes that connections are closed with (RFC 6455 §7.4.1 and IANA's registry)."""

RECEIVING: Final = "Receiving all inbound related to the requested relay contexts"
NOT_RECEIVING: Final = "No longer receiving inbound related to the requested relay contexts"

SEND: Final = "messaging.send"

log = logging.getLogger(__name__)

Params = dict[str, Any]


class Gateway(Protocol):
    """What a peer asks of the gateway. Both raise Problem, and StoreError."""

    async def owner(self, user: str, password: bytes) -> Account:
        """The account with these credentials, where it speaks RELAY."""
        ...

    async def submit(self, account: Account, order: Order) -> Submitted: ...


class Peer:
    """Who is at the other end, once that is known."""

    def __init__(self) -> None:
        self.identity = dashed(random_hex())
        self.form: Form = RELAY
        self.account = ""
        """Its id."""
        self.protocol = ""
        self.acknowledges = True
        """Whether it replies to what it is told."""
        self.credentials: tuple[str, bytes] = ("", b"")
        self.known = asyncio.Event()
        self.quiet_until = 0.0
        """When it may be told something, in the loop's time."""


class Answer(NamedTuple):
    frame: str | None
    """None: the peer wants none."""
    close: int | None = None
    """The connection is to be closed behind it, with this code."""


class Methods:
    def __init__(self, peer: Peer, session: Session, hub: Hub, gateway: Gateway) -> None:
        self._peer = peer
        self._session = session
        self._hub = hub
        self._gateway = gateway

    def sends(self, request: Request) -> bool:
        """Whether it is for a message to be sent."""
        return SEND in (request.method, request.params.get("method"))

    async def answer(self, request: Request) -> Answer:
        known_by = None if request.id is UNSET else request.id
        try:
            answer = Answer(frames.result(known_by, await self._result(request)))
        except Refused as refused:
            answer = Answer(frames.error(known_by, refused.code, str(refused), refused.data), refused.close)
        return answer if request.id is not UNSET else answer._replace(frame=None)

    async def _result(self, request: Request) -> Params:
        """Raises Refused."""
        handler, params, wrapped = self._served(request)
        try:
            content = await handler(self, params)
        except Refused:
            raise
        except Exception as error:
            problem = _problem(error, request.method)
            if not self._peer.known.is_set():
                raise Refused(frames.INTERNAL_ERROR, words(problem), TRY_LATER) from None
            content = refusal_json(problem)
        if not wrapped:
            return content
        node = self._peer.identity
        return {"requester_nodeid": node, "responder_nodeid": node, "result": content}

    def _served(self, request: Request) -> "tuple[_Handler, Params, bool]":
        """The handler of a request, its parameters, and whether they were wrapped. Raises Refused."""
        method, params, wrapped = request.method, request.params, False
        handlers = _METHODS[self._peer.form] if self._peer.known.is_set() else _BEFORE
        if method == "blade.execute" and handlers is _METHODS[BLADE]:
            method, params, wrapped = _executed(params)
            handlers = _EXECUTED
        handler = handlers.get(method)
        if handler is not None:
            return handler, params, wrapped
        if handlers is _BEFORE:
            refusal = "signalwire.connect comes first, and says who this is"
            raise Refused(frames.UNAUTHENTICATED, refusal, POLICY, signalwire_error_code="AUTH_REQUIRED")
        raise Refused(frames.METHOD_NOT_FOUND, f"There is no method {method[:100]!r} here")

    # --- how a session begins
    async def _connect(self, params: Params) -> Params:
        peer, hub = self._peer, self._hub
        try:
            contexts = parse_contexts(params)
        except Problem as problem:
            raise Refused(frames.INVALID_PARAMS, words(problem), POLICY) from None
        account = await self._enter(params, RELAY)
        peer.acknowledges = params.get("event_acks") is not False
        hub.watch(self._session, peer.protocol)
        hub.receive(self._session, contexts)
        hub.resume(self._session)
        return {
            "identity": f"{peer.identity}@tidings",
            "protocol": peer.protocol,
            "authorization": {"project": dashed(account.id), "signature": signature_of(peer.protocol)},
        }

    async def _connect_blade(self, params: Params) -> Params:
        await self._enter(params, BLADE)
        peer = self._peer
        peer.acknowledges = False
        return {
            "session_restored": False,
            "sessionid": peer.identity,
            "nodeid": peer.identity,
            "authorization": {"signature": signature_of(peer.protocol)},
        }

    async def _enter(self, params: Params, form: Form) -> Account:
        given = params.get("authentication")
        user, password = _credentials(given if isinstance(given, dict) else {})
        try:
            account = await self._gateway.owner(user, password)
        except Problem as problem:
            refusal = _UNAUTHENTICATED.format(_STATUS[problem.http])
            raise Refused(frames.UNAUTHENTICATED, refusal, POLICY) from None
        peer, last = self._peer, params.get("protocol")
        peer.form = form
        peer.credentials = user, password
        peer.account = account.id
        if isinstance(last, str) and is_ours(last, account, self._hub.clock.now()):
            peer.protocol = last
        else:
            peer.protocol = new_protocol(account)
        try:
            self._hub.enter(self._session)
        except Full as full:
            raise Refused(frames.INTERNAL_ERROR, str(full), TRY_LATER) from None
        peer.known.set()
        self._settle()
        return account

    async def _set_up(self, params: Params) -> Params:
        return {"protocol": self._peer.protocol}

    async def _subscribe(self, params: Params) -> Params:
        """Blade: to the events of a session, which come on a channel of its protocol."""
        given = params.get("channels")
        channels = given if isinstance(given, list) else []
        mine = params.get("protocol") == self._peer.protocol
        good = [channel for channel in channels if mine and channel == frames.CHANNEL]
        if good and params.get("command") == "add":
            self._hub.watch(self._session, self._peer.protocol)
            self._settle()
        return {
            "protocol": params.get("protocol"),
            "command": params.get("command"),
            "subscribe_channels": good,
            "failed_channels": [channel for channel in channels if channel not in good],
        }

    async def _ping(self, params: Params) -> Params:
        return {"timestamp": params.get("timestamp") or self._hub.clock.now() / SECOND}

    # --- what it is for
    async def _receive(self, params: Params) -> Params:
        self._hub.receive(self._session, parse_contexts(params))
        self._settle()
        return {"code": "200", "message": RECEIVING}

    async def _unreceive(self, params: Params) -> Params:
        self._hub.unreceive(self._session, parse_contexts(params))
        return {"code": "200", "message": NOT_RECEIVING}

    async def _send(self, params: Params) -> Params:
        order = parse_send(params)
        account = await self._gateway.owner(*self._peer.credentials)
        context = order.extras.get("context") or self._hub.first_received(self._session) or self._peer.protocol
        self._hub.watch(self._session, context)
        order = replace(order, extras={**order.extras, "context": context})
        submitted = await self._gateway.submit(account, order)
        return accepted_json(submitted.message)

    def _settle(self) -> None:
        self._peer.quiet_until = asyncio.get_running_loop().time() + self._hub.timing.settle


def _credentials(authentication: Params) -> tuple[str, bytes]:
    """As they were given; a peer that has none, or a token for browsers (`jwt_token`), has none that are good."""
    user, password = authentication.get("project"), authentication.get("token")
    if not isinstance(user, str) or not isinstance(password, str):
        return "", b""
    return user, password.encode()


def _executed(params: Params) -> tuple[str, Params, bool]:
    """What `blade.execute` wraps. Raises Refused."""
    method, inner = params.get("method"), params.get("params", {})
    if not isinstance(method, str) or not isinstance(inner, dict):
        raise Refused(frames.INVALID_PARAMS, "blade.execute needs a method and its params")
    return method, inner, True


def _problem(error: Exception, method: str) -> Problem:
    """What the peer is told of whatever a handler raised; what is our fault is logged."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, StoreError):
        log.error("%s: the store failed", method, exc_info=error)
        return Problem(20503)
    log.error("%s failed", method, exc_info=error)
    return Problem(20500)


_UNAUTHENTICATED: Final = "Authentication service failed with status ProtocolError, {}: {{}}"
"""To the letter what SignalWire says."""
_STATUS: Final = {401: "401 Unauthorized", 403: "403 Forbidden"}

_Handler = Callable[[Methods, Params], Awaitable[Params]]
_BEFORE: Final[dict[str, _Handler]] = {
    "signalwire.connect": Methods._connect,
    "blade.connect": Methods._connect_blade,
    "signalwire.ping": Methods._ping,
    "blade.ping": Methods._ping,
}
_COMMON: Final[dict[str, _Handler]] = {
    "signalwire.receive": Methods._receive,
    "signalwire.unreceive": Methods._unreceive,
    SEND: Methods._send,
}
_METHODS: Final[dict[Form, dict[str, _Handler]]] = {
    RELAY: {"signalwire.ping": Methods._ping, **_COMMON},
    BLADE: {"blade.ping": Methods._ping, "blade.subscription": Methods._subscribe},
}
_EXECUTED: Final[dict[str, _Handler]] = {"setup": Methods._set_up, **_COMMON}
"""By `blade.execute`."""
