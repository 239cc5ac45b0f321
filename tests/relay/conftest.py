"""A station for each test."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tests.relay.station import Station, serving
from tidings.relay.hub import Timing


@pytest.fixture
async def station() -> AsyncIterator[Station]:
    async with serving(Station()) as station:
        yield station


@pytest.fixture
def impatient() -> Callable[..., AbstractAsyncContextManager[Station]]:
    """`async with impatient(ping=0.05) as station`: one that waits for less, in seconds."""

    def serve(**timing: float) -> AbstractAsyncContextManager[Station]:
        return serving(Station(Timing(**{"settle": 0.0, **timing})))

    return serve
