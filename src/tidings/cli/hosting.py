"""What the verbs that listen have in common: addresses to show, signals to end by, a gateway to wait for.

Called by `serve`, `demo`, `listen` and `smsc`.
"""

import asyncio
import errno
import os
import signal
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import click
from starlette.types import ASGIApp

from tidings.app import Gateway
from tidings.server import HttpServer, listen

_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_LOOK_AGAIN: Final = 0.01
"""Seconds."""


def listener_at(host: str, port: int, option: str = "--port") -> socket.socket:
    """A listening socket, or one line on why there is none and which option names another port."""
    try:
        return listen(host, port)
    except OSError as error:
        raise cannot_listen(host, port, error, option) from None


def cannot_listen(host: str, port: int, error: OSError, option: str = "--port") -> click.ClickException:
    # Not `error.strerror`: asyncio makes a sentence of it that names the address once more.
    reason = os.strerror(error.errno) if error.errno else str(error)
    hint = f"; choose another {option}" if error.errno == errno.EADDRINUSE else ""
    return click.ClickException(f"cannot listen on {_place(host, port)}: {reason}{hint}")


def url_of(listener: socket.socket) -> str:
    """Where a client on this machine reaches it."""
    host, port = listener.getsockname()[:2]
    return f"http://{_place(_EVERYWHERE.get(host, host), port)}"


def named_place_of(listener: socket.socket) -> str:
    """host:port, as `url_of` has it, but this machine by its name: some clients take no address for https."""
    host, port = listener.getsockname()[:2]
    return _place("localhost" if _EVERYWHERE.get(host, host) in _EVERYWHERE.values() else host, port)


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def until_ready(gateway: Gateway) -> None:
    """Until a carrier can submit."""
    while not any(gateway.readiness()["carriers"].values()):  # noqa: ASYNC110 - carriers tell nobody
        await asyncio.sleep(_LOOK_AGAIN)


async def unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do `work`, but only until `stop` is set."""
    working, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (working, stopped):
            task.cancel()
        await asyncio.gather(working, stopped, return_exceptions=True)


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@asynccontextmanager
async def serving(application: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Answer HTTP with `application` inside the block."""
    server = HttpServer(application)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await task
