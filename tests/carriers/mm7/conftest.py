"""A scripted MMSC, and carriers that speak to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from tests.carriers.mm7.mmsc_peer import Kept, Peer, settings
from tidings.carriers.mm7.carrier import Mm7Carrier

Connect = Callable[..., Awaitable[Mm7Carrier]]


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    await peer.start()
    yield peer
    await peer.stop()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
async def connect(peer: Peer, kept: Kept) -> AsyncIterator[Connect]:
    """Start a carrier to the peer, with any setting."""
    async with AsyncExitStack() as stack:

        async def start(**more: object) -> Mm7Carrier:
            carrier = Mm7Carrier(settings(**({"url": peer.url} | more)))
            await carrier.start(kept)
            stack.push_async_callback(carrier.stop, 0.0)
            return carrier

        yield start
