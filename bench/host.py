"""An application that looks at nothing: it takes every request, fails every request, or never answers one.

Run as `python -m bench.host WAY ADDRESS PORT` (port 0: any) by `transport`, whose clients all ask it, and by
`callbacks`, beside whose healthy host it is the dead one.
"""

import asyncio
import sys
from typing import Final, cast

import httptools
import uvloop

from bench.child import announce, told_to_end
from bench.sink import NO_CONTENT

ANSWERS: Final = {
    "takes": NO_CONTENT,
    "fails": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "hangs": b"",
}
BACKLOG: Final = 4096
"""Connections that may wait to be accepted: one that waits too long would be another kind of dead."""


class Connection(asyncio.Protocol):
    """One kept-alive connection; called by httptools as it reads."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self._answer:
            self._transport.write(self._answer)


async def main(way: str, address: str, port: int) -> None:
    answer, ended = ANSWERS[way], told_to_end()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answer), address, port, backlog=BACKLOG)
    announce(server.sockets[0].getsockname()[1])
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
