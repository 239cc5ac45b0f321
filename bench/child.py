"""What the benchmark's processes have in common: they say where they listen, and end with the one that began them.

`processes.Child` is the other end: it reads the line that `announce` prints, and closes the pipe that is stdin.
"""

import asyncio
import sys


def announce(port: int) -> None:
    """Ready, and listening on `port`."""
    print(port, flush=True)


def told_to_end() -> asyncio.Event:
    """Set once stdin is closed: the benchmark wants no more, or is no more."""
    closed, loop, stdin = asyncio.Event(), asyncio.get_running_loop(), sys.stdin.fileno()

    def told() -> None:
        loop.remove_reader(stdin)  # which would be readable for ever
        closed.set()

    loop.add_reader(stdin, told)
    return closed
