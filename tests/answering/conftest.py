"""A number that somebody answers: the gateway, centre and clock of `tests/gateway`, and a desk beside them."""

import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tidings.callbacks import breaker, delivery
from tidings.clock import SECOND

GATEWAY = Path(__file__).parent.with_name("gateway")

if TYPE_CHECKING:
    from tests.answering.desk import Desk, Line
    from tests.gateway.conftest import Bench, bench
else:
    # Tested alone, this room does not find that one's modules; and the conftest there has the name of this one.
    sys.path.append(str(GATEWAY))
    spec = importlib.util.spec_from_file_location("gateway_bench", GATEWAY / "conftest.py")
    gateway_bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gateway_bench)
    bench = gateway_bench.bench
    from desk import Desk, Line

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
async def line(bench: "Bench", desk: "Desk") -> "Line":
    centre, site = await bench.pair()
    return Line(bench, desk, centre, site)
