"""Asks whoever answers a number what to do with a message that came in, and does what the answer says.

Such a conversation is one round at a callback with `Target.WEBHOOK`: the delivery room decides when it is due and
what follows from it, keeps each request as an attempt, and has the whole of it again where nobody answered.
Replies have idempotency keys, so that a conversation held twice sends each of them once. Where the number's URL
has no good answer its fallback URL is asked; answers that cannot be used are not asked for again.
"""

import asyncio
import logging
import time
from functools import partial
from typing import Final
from urllib.parse import urljoin

import msgspec
from msgspec.structs import replace

from tidings.answering import requests
from tidings.answering.effects import (
    Call,
    Called,
    Document,
    Effect,
    FetchDocument,
    Inbound,
    Note,
    Reply,
    Result,
    Unusable,
)
from tidings.answering.replies import LoopGuard, Replies, Submit
from tidings.arranged import Handler, Handling
from tidings.callbacks.agent import Fetched, fetch
from tidings.callbacks.attempt import Outcome, Telling, Terms
from tidings.callbacks.connection import MAX_BODY
from tidings.callbacks.exchange import Kind, Response, TransportError
from tidings.callbacks.forms import SCRIPT_HOST
from tidings.callbacks.policy import policy
from tidings.callbacks.round import OURS, ask, guarded, retry_after, row
from tidings.callbacks.url import parse_url
from tidings.clock import SECOND, Clock
from tidings.dialects.media import link
from tidings.dialects.own import masked
from tidings.ids import new_id
from tidings.model import Attempt
from tidings.store.base import Store

log = logging.getLogger(__name__)

LONGEST: Final = 120.0
"""Seconds that a conversation may take, all of its requests together."""
TOO_LONG: Final = 11750
NO_URL: Final = 11100
_LATE: Final = frozenset({Kind.CONNECT_TIMEOUT, Kind.READ_TIMEOUT, Kind.TOTAL_TIMEOUT})


class Failed(Exception):
    """A URL, or one that its answer led to, has no good answer: the one to ask next is the fallback URL."""

    def __init__(
        self, error: int, reason: str, url: str, response: Response | None = None, *, final: bool = False
    ) -> None:
        super().__init__(reason)
        self.error = error
        """Twilio's debugger code."""
        self.url = url
        """Which URL."""
        self.response = response
        """What it answered, where that was an error."""
        self.final = final
        """Whether the answer would be the same another time."""


class Conversations:
    """Implements `callbacks.attempt.Attempts` for `Target.WEBHOOK`."""

    def __init__(self, terms: Terms, store: Store, submit: Submit, clock: Clock, base_url: str) -> None:
        """`base_url`: where links to media lead that webhooks name."""
        self.store = store
        self.submit = submit
        self.clock = clock
        self.base_url = base_url
        self.loops = LoopGuard(clock)
        self._guard, self.transport = guarded(terms)

    async def start(self) -> None:
        pass

    async def make(self, telling: Telling) -> Outcome:
        conversation = _Conversation(self, telling)
        try:
            async with asyncio.timeout(LONGEST):
                return await conversation.hold()
        except TimeoutError:
            return conversation.broken_off(f"the conversation took longer than {LONGEST:.0f} seconds")
        except Exception:
            # Ours to mend; meanwhile it is tried again like any other, and whoever asked has an answer.
            log.exception("message %s was not answered", telling.message.id)
            return conversation.broken_off("something went wrong in the gateway; its log says what")

    async def stop(self) -> None:
        await self.transport.close()
        self._guard.close()


class _Conversation:
    def __init__(self, room: Conversations, telling: Telling) -> None:
        self._room = room
        self._telling = telling
        self._message = telling.message
        self._handling = Handling()
        self._replies = Replies(telling, room.submit, room.store, room.loops, self._remark)
        self._home: tuple[str, str, int] | None = None
        """The host that the callback is for; None for a script, which needs none."""
        self._home_lives: bool | None = None
        """None: it has not been asked."""
        self._begun = time.monotonic()
        self._branch = ""
        self._asked = 0
        """Documents in this branch."""
        self._source = ""
        """The URL of the document that is being done."""
        self._brought: int | None = None
        """Which attempt brought it."""
        self._made: list[Attempt] = []

    # --- the whole of it
    async def hold(self) -> Outcome:
        self._handling = handling = msgspec.convert(self._message.extras["webhook"], Handling)
        inbound = await self._inbound()
        try:
            if handling.url is None:
                self._home_lives = True
                await self._do(Document("", "", (handling.script or "").encode()), inbound)
            else:
                self._home = parse_url(handling.url).origin
                await self._answer(inbound, FetchDocument(handling.url, handling.method))
        except Failed as failed:
            if handling.fallback_url is None:
                return self._failed(failed, final=failed.final)
            try:
                await self._fall_back(inbound, failed, handling.fallback_url)
            except Failed as again:
                # One of the two may have a good answer another time.
                return self._failed(again, final=again.final and failed.final)
        return Outcome(self._status(), None, attempts=tuple(self._made))

    def broken_off(self, why: str) -> Outcome:
        """What has come of it so far, where it cannot go on."""
        if self._made:
            self._brought = len(self._made) - 1
            self._remark(OURS, why)
        return self._failed(Failed(OURS, why, self._source), final=False)

    def _failed(self, failed: Failed, *, final: bool) -> Outcome:
        response = failed.response
        return Outcome(
            self._status(),
            failed.error,
            None if response is None else retry_after(response, self._room.clock.now()),
            tuple(self._made),
            final=final,
            elsewhere=self._home_lives is True,
        )

    def _status(self) -> int | None:
        """HTTP status of the last answer to a request for a document."""
        return None if self._brought is None else self._made[self._brought].response

    async def _answer(self, inbound: Inbound, asked: FetchDocument) -> None:
        """Ask for a document and do what it says. Raises Failed."""
        await self._do(await self._document(inbound, asked), inbound)

    async def _fall_back(self, inbound: Inbound, failed: Failed, url: str) -> None:
        """The same of the fallback URL, which in markup is told why it is asked (Twilio: ErrorCode, ErrorUrl)."""
        self._branch, self._asked, self._source = "fallback", 0, ""
        why = (("ErrorCode", str(failed.error)), ("ErrorUrl", masked(failed.url)))
        params = () if self._handling.handler is Handler.SWML else why
        await self._answer(inbound, FetchDocument(url, self._handling.fallback_method, params))

    async def _inbound(self) -> Inbound:
        message = self._message
        media = await self._room.store.media(message.id) if message.media else []
        return Inbound(
            message.id,
            message.account,
            message.sender,
            message.recipient,
            message.body,
            "sms" if message.channel == "sms" else "mms",
            tuple((link(self._room.base_url, one), one.content_type or "", one.size or 0) for one in media),
            message.segments,
            message.created_at,
            message.service,
            message.extras.get("opt_out"),
        )

    # --- what a document says
    async def _do(self, document: Document, inbound: Inbound) -> None:
        """Raises Failed."""
        try:
            script = requests.script(self._handling, document, inbound)
            effect = next(script, None)
            while effect is not None:
                result = await self._perform(effect, inbound)
                try:
                    effect = script.send(result)
                except StopIteration:
                    return
        except Unusable as unusable:
            self._remark(unusable.code, str(unusable))
            raise Failed(unusable.code, str(unusable), self._source, final=True) from None

    async def _perform(self, effect: Effect, inbound: Inbound) -> Result:
        match effect:
            case FetchDocument():
                return await self._document(inbound, effect)
            case Call():
                return await self._call(effect)
            case Reply():
                return await self._replies.send(effect, self._source)
            case Note():
                self._remark(effect.code, effect.text)
                return None

    def _remark(self, code: int | None, text: str) -> None:
        """Add to the attempt that brought the document; with a code it has failed, and is an alert."""
        if self._brought is None:
            self._brought = len(self._made)
            self._made.append(self._unasked())
        last = self._made[self._brought]
        detail = f"{last.detail}; {text}" if last.detail else text
        self._made[self._brought] = replace(last, error=last.error or code, detail=detail)

    # --- requests
    async def _document(self, inbound: Inbound, asked: FetchDocument) -> Document:
        """Raises Failed."""
        try:
            url = parse_url(urljoin(self._source, asked.url))
        except ValueError as error:
            why = f"{asked.url:.200}: {error}"
            self._remark(NO_URL, why)
            raise Failed(NO_URL, why, asked.url, final=True) from None
        place = " ".join(filter(None, (self._branch, str(self._asked or ""))))
        self._asked += 1
        compose = partial(requests.document_request, self._telling, self._handling, inbound, url, asked, place)
        fetched = await ask(self._room.transport, self._telling, compose, self._made, at=self._elapsed())
        self._brought = len(self._made) - 1
        response, last = fetched.response, self._made[-1]
        if url.origin == self._home:
            self._home_lives = self._home_lives is not False and _lives(fetched.answer)
        if last.error is not None or response is None:
            raise Failed(last.error or OURS, last.detail, url.text, response)
        if response.truncated:
            why = f"the answer is longer than {MAX_BODY} bytes"
            self._remark(TOO_LONG, why)
            raise Failed(TOO_LONG, why, url.text, final=True)
        self._source = (fetched.url or url).text
        kind = (response.header(b"content-type") or b"").decode("latin-1").partition(";")[0].strip().lower()
        return Document(self._source, kind, response.body)

    async def _call(self, call: Call) -> Called:
        begun = self._elapsed()
        try:
            request = requests.call_request(self._telling, call)
        except ValueError as error:
            self._remark(NO_URL, f"{call.url:.200}: {error}")
            return Called(0, (), b"", str(error))
        rules = policy(self._message.dialect, self._telling.target, "")
        fetched = await fetch(self._room.transport, request, 0, time.monotonic() + call.timeout)
        self._made.append(row(self._telling, len(self._made), begun, request, fetched, rules))
        return _called(fetched)

    def _elapsed(self) -> int:
        return int((time.monotonic() - self._begun) * SECOND)

    def _unasked(self) -> Attempt:
        """The row of a document that was here already, and for which nobody was asked."""
        telling, at = self._telling, self._telling.at + self._elapsed()
        return Attempt(
            id=new_id(at),
            message_id=telling.message.id,
            number=telling.event.number,
            target=telling.target,
            account=telling.account.id,
            ordinal=telling.attempts + len(self._made) + 1,
            at=at,
            connected=None,
            first_byte=None,
            elapsed=0,
            method="SCRIPT",
            url=SCRIPT_HOST,
            headers="",
            body="",
            response=None,
            response_headers="",
            response_body="",
            error=None,
            detail="",
        )


def _lives(answer: Response | TransportError) -> bool:
    """Whether a host has shown that it is there, whatever it answered (as `callbacks.host` has it)."""
    return isinstance(answer, Response) and answer.status < 500 and answer.status != 429


def _called(fetched: Fetched) -> Called:
    failure, response = fetched.failure, fetched.response
    if failure is not None or response is None:
        late = failure is not None and failure.kind in _LATE
        return Called(0, (), b"", failure.detail if failure else "no answer", timed_out=late)
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers)
    return Called(response.status, headers, response.body, "")
