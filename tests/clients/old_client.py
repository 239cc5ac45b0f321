"""Runs a script of this directory in the environment of the old official client, `signalwire` 2.1.1.

That package pins the dependencies of its day, so `make install` gives it an environment apart. A script prints one
JSON value a line, and logs to stderr. Called by the tests of this room; without the environment they fail.
"""

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, Final

HERE: Final = Path(__file__).parent
PYTHON: Final = HERE.parents[1] / ".venv-signalwire-2" / "bin" / "python"
PATIENCE: Final = 30.0
"""Seconds for each line, and for a whole `run`; the imports alone take one."""
_LONGEST_LINE: Final = 1 << 20
_LONGEST_LOG: Final = 1 << 20
"""Bytes, both."""


async def run(
    script: str, *arguments: str, env: Mapping[str, str] | None = None, python: Path | None = None
) -> list[Any]:
    """What a script prints until it ends; an AssertionError with its stderr where it fails or takes too long."""
    async with running(script, *arguments, env=env, python=python) as process:
        return await process.rest()


class Script:
    """A script under way."""

    def __init__(self, name: str, process: Process, log: IO[bytes]) -> None:
        self._name = name
        self._process = process
        self._log = log

    async def line(self) -> Any:
        """What it prints next; an AssertionError where nothing comes in time, or it has ended."""
        printed = await self._next()
        if printed is _END:
            raise self._failure(f"ended with status {await self._process.wait()}")
        return printed

    async def rest(self) -> list[Any]:
        """All that it prints from here to its end, which must be a good one."""
        printed = []
        try:
            async with asyncio.timeout(PATIENCE):
                while (line := await self._next()) is not _END:
                    printed.append(line)
                status = await self._process.wait()
        except TimeoutError:
            raise self._failure(f"has not ended within {PATIENCE:g} s, printed {printed}") from None
        if status != 0:
            raise self._failure(f"ended with status {status}, printed {printed}")
        return printed

    def logged(self) -> str:
        """What it wrote to stderr until now."""
        return os.pread(self._log.fileno(), _LONGEST_LOG, 0).decode(errors="replace")

    async def stop(self) -> None:
        """End it as its user would, with SIGTERM; the old client says goodbye then."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), PATIENCE)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
                raise self._failure(f"does not stop within {PATIENCE:g} s") from None

    async def _next(self) -> Any:
        assert self._process.stdout is not None
        try:
            text = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE)
        except TimeoutError:
            raise self._failure(f"printed nothing for {PATIENCE:g} s") from None
        try:
            return json.loads(text) if text else _END
        except ValueError:
            raise self._failure(f"printed what is no JSON: {text!r}") from None

    def _failure(self, what: str) -> AssertionError:
        return AssertionError(f"{self._name} {what}; stderr:\n{self.logged()}")


_END: Final = object()


@asynccontextmanager
async def running(
    script: str, *arguments: str, env: Mapping[str, str] | None = None, python: Path | None = None
) -> AsyncIterator[Script]:
    """A script that goes on inside the block; with `python`, in the environment of that interpreter.

    Of this process's environment variables it gets nothing but PATH.
    """
    if not PYTHON.exists():
        raise RuntimeError(f"{PYTHON} is missing: run `make install`")
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            python or PYTHON,
            HERE / script,
            *arguments,
            env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **(env or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=log,
            limit=_LONGEST_LINE,
        )
        under_way = Script(script, process, log)
        try:
            yield under_way
        finally:
            await under_way.stop()
            sys.stderr.write(under_way.logged())  # shown by pytest where the test fails
