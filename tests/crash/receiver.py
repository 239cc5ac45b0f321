"""The flapping receiver of callbacks, as crash tests have it: a process to be told what to do, and its journal.

It outlives every gateway, and is nobody's own bookkeeping; `journal` reads what it wrote.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.crash.processes import PATIENCE, Port

_PROGRAM = Path(__file__).with_name("flapping.py")
_LONGEST_LINE = 1 << 20


class Receiver:
    def __init__(self, seed: str) -> None:
        self.entries: list[dict[str, Any]] = []
        """The journal, in the order of the receiver."""
        self._seed = seed
        self._port = Port()
        self.url = f"http://127.0.0.1:{self._port.number}"
        self._awaited: defaultdict[str, list[asyncio.Future[None]]] = defaultdict(list)

    async def start(self) -> None:
        arguments = (str(_PROGRAM), str(self._port.number), self._seed)
        self._process: Process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdin=PIPE, stdout=PIPE, limit=_LONGEST_LINE
        )
        self._reader = asyncio.create_task(self._read())
        await self.next("did")

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert await self._process.wait() == 0
        await self._reader
        self._port.release()

    async def listen(self) -> None:
        """Take connections, again or still."""
        await self._do("listen")

    async def refuse(self) -> None:
        """Refuse connections, and drop those there are."""
        await self._do("refuse")

    async def behave(self) -> None:
        """Take every call from now on."""
        await self._do("behave")

    async def note(self, word: str) -> None:
        """Put it into the journal: something was `killed`; or is `away` for a while, and `back` again."""
        await self._do(word)

    async def next(self, kind: str) -> None:
        """Wait for the next `call`, for the next one that is `answered`, or until it `did` as it was told."""
        awaited = asyncio.get_running_loop().create_future()
        self._awaited[kind].append(awaited)
        async with asyncio.timeout(PATIENCE):
            await awaited

    async def _do(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())
        await self.next("did")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            entry = json.loads(line)
            self.entries.append(entry)
            for awaited in self._awaited.pop(next(iter(entry)), ()):
                if not awaited.done():
                    awaited.set_result(None)
