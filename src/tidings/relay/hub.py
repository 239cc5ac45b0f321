"""Who listens to what over RELAY, and how they are told: the rounds of callbacks whose target is `Target.RELAY`.

The delivery room decides when an event is told, and keeps it until it is (`callbacks.attempt.Attempts`); a round
here goes to the sessions of the account that listen to the message's context at that moment. The state of a
message that was sent is told to all of them, and one acknowledgement is enough; a message that came in is given to
one of them in turn, and to the next where that one does not acknowledge it in time. Where nobody listens the round
fails at once, and `heard` says when another is worth while.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from tidings.callbacks.attempt import Outcome, Telling
from tidings.callbacks.signing import idempotency_token
from tidings.clock import SECOND, Clock
from tidings.dialects.signalwire_relay import MAX_CONTEXTS, event_params
from tidings.errors import Problem
from tidings.ids import new_id
from tidings.model import Attempt, Direction, Message

MAX_SESSIONS: Final = 100
"""Of one account at a time."""
MAX_LISTENING: Final = MAX_CONTEXTS
"""Contexts that a session may receive, and as many that it may have sent under: of these the last ones count."""
TRIES: Final = 5
"""Sessions that an inbound message is offered to in one round."""
REMEMBERED: Final = 1000
"""Sessions that are gone, of which it is remembered what they listened to, in case they come back."""
NOBODY: Final = 11205
"""The code where there is no session to tell."""


class Timing(msgspec.Struct, frozen=True):
    """Seconds."""

    connect: float = 10.0
    """Within which a connection must say who it is."""
    ping: float = 10.0
    """Between pings. The JavaScript client gives up 15 s after the last one."""
    acknowledge: float = 10.0
    """Within which an event must be acknowledged."""
    write: float = 5.0
    """Within which there must be room for a frame: a peer that does not read is let go."""
    settle: float = 0.25
    """Between the answer to a subscription and the first event. Clients attach their handlers once they have read
    the answer, and drop what comes with it."""
    leave: float = 2.0
    """That a peer has to take its leave when the gateway goes down."""


USUAL: Final = Timing()


class Told(NamedTuple):
    """What came of telling one session."""

    frame: str
    error: int | None
    """Twilio debugger code; None: it was acknowledged."""
    detail: str


class Session(Protocol):
    """A connection, as its hub sees it."""

    @property
    def account(self) -> str:
        """The id of its account."""
        ...

    @property
    def protocol(self) -> str: ...

    async def tell(self, id: str, params: dict[str, Any], *, first: bool) -> Told:
        """Tell one event, and wait until it is acknowledged. `first`: of its message."""
        ...

    def end(self, code: int, reason: str) -> None: ...

    async def dismiss(self) -> None:
        """Have the client connect again, and end."""
        ...


class Listening:
    """What a session listens to. Both are in the order of their coming."""

    def __init__(self) -> None:
        self.received: dict[str, None] = {}
        """Contexts whose inbound messages and states it wants."""
        self.sent: dict[str, None] = {}
        """Contexts that it sent under, and whose states it is told: its own protocol among them."""


class Full(Exception):
    """There are no more sessions for this account."""


_Key = tuple[str, str]
"""Account and context."""


class Hub:
    """Implements `callbacks.attempt.Attempts`."""

    def __init__(self, clock: Clock, timing: Timing = USUAL) -> None:
        self.clock = clock
        self.timing = timing
        self.heard: Callable[[str, str], None] = lambda account, context: None
        """Called with account and context when a session begins to listen; the composition root's to set."""
        self.media: Callable[[Message], Awaitable[Sequence[str]]] = _no_media
        """Finds the URLs of what came with a message; the composition root's to set."""
        self.counts: Counter[str] = Counter()
        self._sessions: dict[str, dict[str, Session]] = {}
        """By account and protocol."""
        self._listening: dict[Session, Listening] = {}
        self._receivers: dict[_Key, dict[Session, None]] = {}
        """Who is given inbound messages; the first one is next."""
        self._watchers: dict[_Key, dict[Session, None]] = {}
        """Who is told of states."""
        self._left: OrderedDict[str, Listening] = OrderedDict()
        """By protocol."""
        self._telling: set[asyncio.Task[Told]] = set()

    @property
    def sessions(self) -> int:
        return len(self._listening)

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        """Rounds under way fail: what they told is told again at the next start."""
        for session in list(self._listening):
            session.end(1001, "the gateway is going down")

    async def drain(self) -> None:
        """Send all clients away, so that they come back to whoever is there by then."""
        await asyncio.gather(*(session.dismiss() for session in list(self._listening)))

    # --- who is here
    def enter(self, session: Session) -> None:
        """A session knows whose it is. One of the same protocol has been left behind by its client, and ends."""
        peers = self._sessions.setdefault(session.account, {})
        old = peers.get(session.protocol)
        if old is not None:
            self.leave(old)
            old.end(1000, "its client has come back on another connection")
        elif len(peers) >= MAX_SESSIONS:
            raise Full(f"there are {MAX_SESSIONS} sessions of this project already")
        self._sessions.setdefault(session.account, {})[session.protocol] = session
        self._listening[session] = Listening()
        self.counts["sessions"] += 1

    def resume(self, session: Session) -> None:
        """Listen to what the last session of this protocol listened to, as far as there is room for it."""
        left = self._left.pop(session.protocol, None)
        if left is not None:
            room = MAX_LISTENING - len(self._listening[session].received)
            self.receive(session, list(left.received)[:room])
            for context in left.sent:
                self.watch(session, context)

    def leave(self, session: Session) -> None:
        """It is gone; once more is no harm."""
        listening = self._listening.pop(session, None)
        if listening is None:
            return
        for context in (*listening.received, *listening.sent):
            _drop(self._receivers, (session.account, context), session)
            _drop(self._watchers, (session.account, context), session)
        peers = self._sessions[session.account]
        del peers[session.protocol]
        if not peers:
            del self._sessions[session.account]
        self._left[session.protocol] = listening
        if len(self._left) > REMEMBERED:
            self._left.popitem(last=False)

    # --- who listens to what
    def receive(self, session: Session, contexts: Iterable[str]) -> None:
        """What comes in there, and the states of what is sent there. Raises Problem; then nothing has changed."""
        listening = self._listening.get(session)
        if listening is None:
            return
        new = [context for context in dict.fromkeys(contexts) if context not in listening.received]
        if len(listening.received) + len(new) > MAX_LISTENING:
            raise Problem(20422, name="contexts", reason=f"a session can receive {MAX_LISTENING} at most")
        for context in new:
            listening.received[context] = None
            for listeners in (self._receivers, self._watchers):
                listeners.setdefault((session.account, context), {})[session] = None
            self.heard(session.account, context)

    def unreceive(self, session: Session, contexts: Iterable[str]) -> None:
        listening = self._listening.get(session)
        if listening is None:
            return
        for context in contexts:
            if context in listening.received:
                del listening.received[context]
                _drop(self._receivers, (session.account, context), session)
                if context not in listening.sent:
                    _drop(self._watchers, (session.account, context), session)

    def watch(self, session: Session, context: str) -> None:
        """A session sends under this context, and is told what becomes of that."""
        listening = self._listening.get(session)
        if listening is None:
            return
        known = context in listening.sent or context in listening.received
        listening.sent.pop(context, None)
        listening.sent[context] = None
        if len(listening.sent) > MAX_LISTENING:
            oldest = next(other for other in listening.sent if other != session.protocol)
            del listening.sent[oldest]
            if oldest not in listening.received:
                _drop(self._watchers, (session.account, oldest), session)
        if not known:
            self._watchers.setdefault((session.account, context), {})[session] = None
            self.heard(session.account, context)

    def first_received(self, session: Session) -> str | None:
        """The context that it has listened to for the longest."""
        listening = self._listening.get(session)
        return next(iter(listening.received), None) if listening else None

    # --- telling
    async def make(self, telling: Telling) -> Outcome:
        message = telling.message
        key = (message.account, message.extras["context"])
        inbound = message.direction is Direction.INBOUND
        if key not in (self._receivers if inbound else self._watchers):
            return Outcome(None, NOBODY)
        media = await self.media(message) if message.media else ()
        params = event_params(message, telling.event, media)
        go = _Round(self.clock, telling)
        if inbound:
            await self._to_one(go, key, params)
        else:
            await self._to_all(go, key, params)
        self.counts["told" if go.error is None else "untold"] += 1
        return go.outcome()

    async def _to_one(self, go: "_Round", key: _Key, params: dict[str, Any]) -> None:
        tried: set[Session] = set()
        while len(tried) < TRIES and go.error is not None:
            turn = self._receivers.get(key, {})
            session = next((one for one in turn if one not in tried), None)
            if session is None:
                return
            turn[session] = turn.pop(session)  # the others come before it from now on
            tried.add(session)
            begun = go.begin()
            go.tried(begun, await session.tell(go.id, params, first=False))

    async def _to_all(self, go: "_Round", key: _Key, params: dict[str, Any]) -> None:
        """Whoever is slower than the first one is told all the same, and nobody waits for that."""
        sessions = list(self._watchers.get(key, ()))
        begun, first = go.begin(), go.telling.event.number == 1
        under_way = {asyncio.create_task(session.tell(go.id, params, first=first)) for session in sessions}
        for task in under_way:
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
        told: Told | None = None
        while under_way and (told is None or told.error is not None):
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            told = min((task.result() for task in done), key=lambda one: one.error is not None)
        if told is not None:
            detail = told.detail if len(sessions) == 1 else f"{told.detail}; {len(sessions)} sessions listened"
            go.tried(begun, told._replace(detail=detail))


class _Round:
    """One round at one event, and what is kept of it."""

    def __init__(self, clock: Clock, telling: Telling) -> None:
        self.telling = telling
        self.id = idempotency_token(telling.message.id, telling.event.number)
        """Of the frame: the same whenever the event is told, so that clients can know it again."""
        self.error: int | None = NOBODY
        self._clock = clock
        self._made: list[Attempt] = []

    def begin(self) -> tuple[int, float]:
        return self._clock.now(), time.monotonic()

    def tried(self, begun: tuple[int, float], told: Told) -> None:
        at, started = begun
        elapsed = int((time.monotonic() - started) * SECOND)
        taken = told.error is None
        telling, event = self.telling, self.telling.event
        self.error = told.error
        self._made.append(
            Attempt(
                id=new_id(at),
                message_id=telling.message.id,
                number=event.number,
                target=telling.target,
                account=telling.account.id,
                ordinal=telling.attempts + len(self._made) + 1,
                at=at,
                connected=0,
                first_byte=elapsed if taken else None,
                elapsed=elapsed,
                method="RELAY",
                url=f"relay:{telling.message.extras['context']}",
                headers="",
                body=told.frame,
                response=200 if taken else None,
                response_headers="",
                response_body="",
                error=told.error,
                detail=told.detail,
            )
        )

    def outcome(self) -> Outcome:
        return Outcome(None if self.error else 200, self.error, attempts=tuple(self._made))


async def _no_media(message: Message) -> Sequence[str]:
    return ()


def _drop(listeners: dict[_Key, dict[Session, None]], key: _Key, session: Session) -> None:
    here = listeners.get(key)
    if here is not None:
        here.pop(session, None)
        if not here:
            del listeners[key]
