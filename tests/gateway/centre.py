"""A message centre that a test plays itself: it reads what is submitted, and answers and delivers as it is told.

Made of the SMPP link alone, on a real socket.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from tidings.carriers.smpp import udh
from tidings.carriers.smpp.link import Link
from tidings.carriers.smpp.pdu import UDHI, BindResp, Command, MessageIdResp, Pdu, ShortMessage, Tag, content
from tidings.carriers.smpp.receipt import compose
from tidings.carriers.smpp.session import BINDS, Role

WAIT: Final = 20.0
DELIVERY: Final = 0x04
"""esm_class of a receipt (SMPP 3.4 §5.2.12)."""


class Asked:
    """One submit_sm, as the centre read it."""

    def __init__(self, link: Link, pdu: Pdu) -> None:
        assert isinstance(pdu.body, ShortMessage)
        self.link = link
        self.pdu = pdu
        self.body = pdu.body
        self.id = ""
        self.content = content(pdu)
        self.part, self.parts = 1, 1
        if self.body.esm_class & UDHI:
            concatenation, self.content = udh.parse(self.content)
            assert concatenation is not None
            self.part, self.parts = concatenation.part, concatenation.parts
        elif Tag.SAR_SEGMENT_SEQNUM in pdu.tlvs:
            self.part = int.from_bytes(pdu.tlvs[Tag.SAR_SEGMENT_SEQNUM])
            self.parts = int.from_bytes(pdu.tlvs[Tag.SAR_TOTAL_SEGMENTS])

    @property
    def to(self) -> str:
        return self.body.destination_addr

    def accept(self, id: str) -> None:
        self.id = id
        self.link.respond(self.pdu, 0, MessageIdResp(id))

    def refuse(self, status: int) -> None:
        self.link.respond(self.pdu, status)


class Centre:
    """A message centre that leaves every submission to the test, unless `answer` says what to do."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], None] | None = None
        self.bind_status = 0
        self.binds: list[tuple[Link, int]] = []
        """Bound connections with the command they were bound by."""
        self.port = 0
        self._news = asyncio.Event()
        self._links: list[Link] = []
        self._server: asyncio.Server | None = None

    # --- what a test does
    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Hang up and answer no calls, until `listen`."""
        if self._server is not None:
            self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        for link in self._links:
            link.close("hung up")

    def answer_all(self, prefix: str = "id") -> None:
        """From now on, and what came before: accepted as prefix1, prefix2 …"""
        self.answer = lambda asked: asked.accept(f"{prefix}{self.asked.index(asked) + 1}")
        for asked in self.asked:
            if not asked.id:
                self.answer(asked)

    async def submission(self, number: int = 1) -> Asked:
        """The n-th submit_sm that came."""
        await self.until(lambda: len(self.asked) >= number, f"{number} submissions")
        return self.asked[number - 1]

    async def bound(self, number: int = 1) -> None:
        """Wait until so many binds are up."""
        await self.until(lambda: len(self.binds) >= number, f"{number} binds")

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(WAIT):
                while not condition():
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{what} awaited; there were {[a.content for a in self.asked]}") from None

    async def receipt(
        self,
        asked: Asked,
        stat: str = "DELIVRD",
        *,
        id: str | None = None,
        text: bytes | None = None,
        link: Link | None = None,
        err: str = "000",
        tlvs: dict[int, bytes] | None = None,
    ) -> None:
        """A receipt for a submission; returns once it is acknowledged, and so kept."""
        if text is None:
            now = datetime.now(UTC)
            name = asked.id if id is None else id
            text = compose(message_id=name, submitted=now, done=now, stat=stat, error=err, text="hello")
        body = ShortMessage(
            source_addr=asked.body.destination_addr,
            destination_addr=asked.body.source_addr,
            esm_class=DELIVERY,
            short_message=text,
        )
        await self.deliver(body, tlvs, link)

    async def deliver(
        self, body: ShortMessage, tlvs: dict[int, bytes] | None = None, link: Link | None = None
    ) -> None:
        """A deliver_sm on some bind that receives; returns once it is acknowledged."""
        if link is None:
            link = next(link for link, command in self.binds if command != Command.BIND_TRANSMITTER)
        answer = await asyncio.wait_for(link.request(Command.DELIVER_SM, body, tlvs), WAIT)
        assert answer.status == 0, f"deliver_sm was answered with {answer.status:#x}"

    # --- what peers do
    def _connect(self) -> Link:
        def lost(_: str) -> None:
            self._links.remove(link)
            self.binds = [bind for bind in self.binds if bind[0] is not link]
            self._tell()

        link = Link(Role.SMSC, on_request=lambda pdu: self._take(link, pdu), on_lost=lost, enquire_link=0)
        self._links.append(link)
        return link

    def _take(self, link: Link, pdu: Pdu) -> None:
        if pdu.command in BINDS:
            link.respond(pdu, self.bind_status, None if self.bind_status else BindResp("centre"))
            if not self.bind_status:
                self.binds.append((link, pdu.command))
        elif pdu.command == Command.SUBMIT_SM:
            asked = Asked(link, pdu)
            self.asked.append(asked)
            if self.answer is not None:
                self.answer(asked)
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
