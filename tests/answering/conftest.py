"""A number that somebody answers: the gateway, centre and clock of `tests/gateway`, and a desk beside them."""

from collections.abc import AsyncIterator

import pytest

from tests.answering.desk import Desk, Line
from tests.gateway.conftest import Bench, bench
from tidings.callbacks import breaker, delivery
from tidings.clock import SECOND

__all__ = ["bench"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second round after milliseconds."""
    monkeypatch.setattr(delivery, "RETRY_AFTER", (0.01, 0.01))
    monkeypatch.setattr(breaker, "SHORTEST_PAUSE", SECOND // 50)


@pytest.fixture
async def desk() -> AsyncIterator["Desk"]:
    desk = Desk()
    await desk.listen()
    yield desk
    desk.close()


@pytest.fixture
async def line(bench: Bench, desk: Desk) -> Line:
    centre, site = await bench.pair()
    return Line(bench, desk, centre, site)
