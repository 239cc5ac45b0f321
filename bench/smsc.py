"""The carrier's end of the benchmark: a simulated SMSC that accepts everything and sends every receipt at once.

Run as `python -m bench.smsc PORT` (0: any) by `rig`.
"""

import asyncio
import sys

import uvloop

from bench.child import announce, told_to_end
from tidings.carriers.simulator.behaviour import Behaviour, ReceiptPlan
from tidings.carriers.simulator.scenario import Scenario
from tidings.carriers.simulator.server import Settings, Smsc

PROMPT = Scenario(seed=1, numbers=False, default=Behaviour(receipts=(ReceiptPlan(after=0.0),)))
SETTINGS = Settings(window=1000)


async def main(port: int) -> None:
    smsc = Smsc(PROMPT, SETTINGS)
    ended = told_to_end()
    announce(await smsc.start("127.0.0.1", port))
    await ended.wait()
    await asyncio.shield(smsc.stop())


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
