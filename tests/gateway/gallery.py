"""A host of media on a real socket: it answers each path as a test says, and keeps what it was asked for."""

import asyncio
from typing import Final

PNG: Final = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def found(content: bytes = PNG, content_type: str = "image/png", *headers: str, status: int = 200) -> bytes:
    """A whole response; each header as "Name: value"."""
    lines = [f"HTTP/1.1 {status} Said", *headers, f"Content-Length: {len(content)}"]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1") + content


def said(status: int, *headers: str) -> bytes:
    """A response that brings nothing to look at."""
    return found(b"", "", *headers, status=status)


class Gallery:
    def __init__(self) -> None:
        self.asked: list[str] = []
        """Paths, in the order that they were asked for."""
        self.requests: list[str] = []
        """The heads of the same."""
        self.open = asyncio.Event()
        """Cleared, nobody gets an answer."""
        self.open.set()
        self._says: dict[str, list[bytes]] = {}
        self._port = 0
        self._news = asyncio.Event()
        self._server: asyncio.Server | None = None

    def shows(self, path: str, *answers: bytes) -> str:
        """Answer `path` so, one request after the other, the last answer again and again. Returns its URL."""
        self._says[path] = list(answers or [found()])
        return self.url(path)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self._port}{path}"

    async def until_asked(self, number: int) -> None:
        async with asyncio.timeout(5):
            while len(self.asked) < number:
                await self._news.wait()

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "0.0.0.0", 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                for line in head.lower().split("\r\n"):
                    if line.startswith("content-length:"):
                        await reader.readexactly(int(line.partition(":")[2]))
                path = head.split(" ")[1]
                self.asked.append(path)
                self.requests.append(head)
                self._news.set()
                self._news = asyncio.Event()
                answers = self._says.get(path) or [said(404)]
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                await self.open.wait()
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
