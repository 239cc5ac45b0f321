from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.tongues.house import House, served


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with served(tmp_path) as house:
        yield house
