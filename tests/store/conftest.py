"""A store to test: whatever the test file's `stores` makes, opened before the test and closed after it."""

from collections.abc import AsyncIterator, Callable

import pytest

from tidings.store.base import Store

pytest.register_assert_rewrite(
    "conformance",
    "conformance_queues",
    "conformance_callbacks",
    "conformance_attempts",
    "conformance_contents",
    "conformance_arranged",
    "conformance_inbound",
    "conformance_schedule",
)


@pytest.fixture
async def store(stores: Callable[[], Store]) -> AsyncIterator[Store]:
    store = stores()
    await store.open()
    yield store
    await store.close()
