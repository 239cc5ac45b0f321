"""A listener on the wire between gateway and SMSC: passes every octet on, and notes receipts and their answers.

It is nobody's own bookkeeping, and it outlives the gateway. What it saw acknowledged, the SMSC never sends again.
"""

import asyncio
from contextlib import suppress

from tidings.carriers.smpp.pdu import RESPONSE, Command, Framer

_RECEIPT_ANSWERED = Command.DELIVER_SM | RESPONSE


class Wiretap:
    def __init__(self, port: int) -> None:
        self.port = 0
        """Where the gateway is to connect; `port` is where the SMSC listens."""
        self.sent: list[bytes] = []
        """deliver_sm PDUs, whole, in the order the SMSC sent them."""
        self.acknowledged: list[bytes] = []
        """Those of them that were answered with status 0."""
        self._smsc_port = port
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()
        self._progress = asyncio.Condition()
        self._awaited: dict[int, asyncio.Future[None]] = {}

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """To be called once the gateway is gone: then every conversation ends by itself."""
        assert self._server is not None
        self._server.close()
        await self.quiet()

    async def more_acknowledged(self, count: int) -> None:
        """Wait until so many more receipts have been acknowledged."""
        wanted = len(self.acknowledged) + count
        async with self._progress:
            await self._progress.wait_for(lambda: len(self.acknowledged) >= wanted)

    async def passing(self, command: Command) -> None:
        """Wait for the next PDU of this kind, in either direction."""
        await self._awaited.setdefault(command, asyncio.get_running_loop().create_future())

    async def quiet(self) -> None:
        """Wait until all that a gateway which is gone has said is noted."""
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _connect(self, gateway: asyncio.StreamReader, to_gateway: asyncio.StreamWriter) -> None:
        conversation = asyncio.current_task()
        assert conversation is not None
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)
        smsc, to_smsc = await asyncio.open_connection("127.0.0.1", self._smsc_port)
        under_way: dict[bytes, bytes] = {}
        await asyncio.gather(
            self._pass_on(smsc, to_gateway, under_way), self._pass_on(gateway, to_smsc, under_way)
        )

    async def _pass_on(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, under_way: dict[bytes, bytes]
    ) -> None:
        framer = Framer()
        try:
            while octets := await source.read(65536):
                for frame in framer.feed(octets):
                    await self._note(frame, under_way)
                target.write(octets)
                # What was said before the other side went is to be noted all the same.
                with suppress(ConnectionError):
                    await target.drain()
        except ConnectionError:
            pass
        finally:
            target.close()

    async def _note(self, frame: bytes, under_way: dict[bytes, bytes]) -> None:
        """A receipt and its answer have the same sequence number (SMPP 3.4 §3.2)."""
        command, status, sequence = int.from_bytes(frame[4:8]), frame[8:12], frame[12:16]
        if (awaited := self._awaited.pop(command, None)) is not None:
            awaited.set_result(None)
        if command == Command.DELIVER_SM:
            self.sent.append(frame)
            under_way[sequence] = frame
        elif command == _RECEIPT_ANSWERED:
            receipt = under_way.pop(sequence)
            if not any(status):
                self.acknowledged.append(receipt)
                async with self._progress:
                    self._progress.notify_all()
