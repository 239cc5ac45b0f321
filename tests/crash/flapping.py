"""A receiver of callbacks that flaps: by turns it takes them, refuses them, hangs, hangs up and breaks off.

A program of its own, which `receiver` runs: `python flapping.py PORT SEED`. It does as it is told on stdin, a word
a line, and ends with it; on stdout it keeps its journal, a JSON object a line, in the order of what happens.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

HANG = 0.7
"""Seconds: longer than the overrides in a test's URL allow, and short for callbacks that have none."""

TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
ANSWERS: Mapping[str, bytes] = {
    "taken": TAKEN,
    "500": b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n",
    "503": b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
    "503 later": b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    "429": b"HTTP/1.1 429 Slower\r\nContent-Length: 0\r\n\r\n",
    "429 later": b"HTTP/1.1 429 Slower\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
}
HALVES = (TAKEN[:15], TAKEN[:-2], b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf of")
"""Of an answer that breaks off: none of them is a 2xx that anybody has."""

MOODS: Mapping[str, int] = {
    "taken": 60,
    "500": 6,
    "503": 4,
    "503 later": 3,
    "429": 4,
    "429 later": 3,
    "hang": 8,
    "hang up": 6,
    "break off": 6,
}
"""And how many times in a hundred: ten failures in a row, after which it is left alone for a while, are few."""


class Flapping:
    def __init__(self, port: int, chance: random.Random) -> None:
        self._port = port
        self._chance = chance
        self._behaved = False
        self._moods: list[str] = []
        """Those that come next, the last one first."""
        self._count = 0
        self._server: asyncio.Server | None = None
        self._callers: set[asyncio.StreamWriter] = set()

    async def listen(self) -> None:
        """Take connections, again or still."""
        self._server = self._server or await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def refuse(self) -> None:
        """Nobody gets through, and whoever was has to hang up."""
        assert self._server is not None
        self._server.close()
        self._server = None
        for caller in self._callers:
            caller.transport.abort()

    async def behave(self) -> None:
        self._behaved = True

    async def note(self) -> None:
        """Nothing but what every word does: it is in the journal, and what comes next has happened since."""

    async def obey(self) -> None:
        """Do what is said on stdin until its end, and say when it is done."""
        words = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
        acts = {"listen": self.listen, "refuse": self.refuse, "behave": self.behave}
        while line := await words.readline():
            word = line.decode().strip()
            await acts.get(word, self.note)()
            _write({"did": word})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._callers.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request, *lines = head.decode("latin-1").split("\r\n")[:-2]
                headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                if not await self._take(request.split()[1], headers, body.decode(), reader, writer):
                    break
        self._callers.discard(writer)
        writer.close()

    async def _take(
        self,
        path: str,
        headers: dict[str, str],
        body: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """One call. Returns whether the connection goes on."""
        self._count += 1
        call = self._count
        mood = "taken" if self._behaved else self._mood()
        _write({"call": call, "time": time.time(), "mood": mood, "path": path, "headers": headers, "body": body})
        if mood == "break off":
            writer.write(self._chance.choice(HALVES))
        if mood in ("hang up", "break off") or (mood == "hang" and await _gone(reader)):
            return False
        answer = ANSWERS.get(mood, TAKEN)
        writer.write(answer)
        _write({"answered": call, "status": int(answer.split()[1])})
        return True

    def _mood(self) -> str:
        """Each comes as often as it should, and when it does is chance."""
        if not self._moods:
            self._moods = self._chance.sample(list(MOODS), k=sum(MOODS.values()), counts=list(MOODS.values()))
        return self._moods.pop()


async def _gone(reader: asyncio.StreamReader) -> bool:
    """Hang; whether the caller has not waited for so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(HANG):
            return not await reader.read(1)
    return False


def _write(entry: dict[str, Any]) -> None:
    print(json.dumps(entry), flush=True)


async def main(port: int, seed: str) -> None:
    flapping = Flapping(port, random.Random(seed))
    await flapping.listen()
    _write({"did": "listen"})
    await flapping.obey()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
