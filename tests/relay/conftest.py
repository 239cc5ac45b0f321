"""A station for each test."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tidings.relay.hub import Timing

if TYPE_CHECKING:
    from tests.relay.station import Station, serving
else:
    from station import Station, serving

# The room that runs the old official client, for when this one is tested alone.
sys.path.append(str(Path(__file__).parent.with_name("clients")))


@pytest.fixture
async def station() -> "AsyncIterator[Station]":
    async with serving(Station()) as station:
        yield station


@pytest.fixture
def impatient() -> "Callable[..., AbstractAsyncContextManager[Station]]":
    """`async with impatient(ping=0.05) as station`: one that waits for less, in seconds."""

    def serve(**timing: float) -> "AbstractAsyncContextManager[Station]":
        return serving(Station(Timing(**{"settle": 0.0, **timing})))

    return serve
