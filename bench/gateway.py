"""The gateway under test, in a process of its own, on the way that `tidings serve` takes.

Run as `python -m bench.gateway SETTINGS DATA [profile]` by `rig`: with "profile", cProfile watches the thread of
the event loop and its findings are printed at the end.
"""

import asyncio
import cProfile
import logging
import os
import pstats
import sys
from pathlib import Path

import uvloop

from bench.child import announce, told_to_end
from tidings import app, server, settings
from tidings.clock import SystemClock
from tidings.provision import open_store

SHOWN = 60
"""Functions in a profile."""


async def main(configured: settings.Settings, data: Path) -> None:
    gateway = app.Gateway(configured, open_store(configured.store.url, data), SystemClock())
    listener = server.listen(configured.server.host, configured.server.port)

    async def until_told(stop: asyncio.Event) -> None:
        announce(listener.getsockname()[1])
        ended = told_to_end()
        await asyncio.wait(
            [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(ended.wait())],
            return_when=asyncio.FIRST_COMPLETED,
        )

    await server.serve(gateway, listener, until_told)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    run = main(settings.load(Path(sys.argv[1]), os.environ), Path(sys.argv[2]))
    if "profile" in sys.argv[3:]:
        profile = cProfile.Profile()
        profile.runcall(uvloop.run, run)
        pstats.Stats(profile).sort_stats("tottime").print_stats(SHOWN)
    else:
        uvloop.run(run)
