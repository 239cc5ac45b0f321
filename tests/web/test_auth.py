import base64
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from starlette.types import Message

from tidings.clock import HOUR, SECOND
from tidings.errors import Problem
from tidings.gateway.recent import Recent
from tidings.model import Account, ApiKey
from tidings.store.sqlite.store import SqliteStore
from tidings.web.auth import Authenticator
from tidings.web.wire import Request

if TYPE_CHECKING:
    from tests.web.conftest import ManualClock

ACCOUNT = Account("0a" * 16, "first", "old token", 0)
KEY = ApiKey("0e" * 16, ACCOUNT.id, "ci", sha256(b"old secret").hexdigest(), 0)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "tidings.db")
    await store.open()
    await store.put_account(ACCOUNT)
    await store.put_api_key(KEY)
    yield store
    await store.close()


@pytest.fixture
def authenticator(store: SqliteStore, clock: "ManualClock") -> Authenticator:
    return Authenticator(Recent(store.account, clock), Recent(store.api_key, clock), clock)


async def nothing() -> Message:
    return {"type": "http.disconnect"}


def asks(user: str, password: str, scheme: bytes = b"Basic") -> Request:
    authorization = scheme + b" " + base64.b64encode(f"{user}:{password}".encode())
    headers = [(b"authorization", authorization)]
    return Request({"method": "GET", "path": "/", "query_string": b"", "headers": headers}, nothing)


async def refusal(authenticator: Authenticator, request: Request) -> int:
    with pytest.raises(Problem) as caught:
        await authenticator.account(request)
    return caught.value.code


async def test_a_token_may_hold_colons_and_any_letters(store: SqliteStore, authenticator: Authenticator) -> None:
    await store.put_account(msgspec.structs.replace(ACCOUNT, auth_token="a:b:é"))
    assert (await authenticator.account(asks("AC" + ACCOUNT.id, "a:b:é"))).id == ACCOUNT.id


async def test_the_scheme_is_written_in_any_case(authenticator: Authenticator) -> None:
    assert await authenticator.account(asks("AC" + ACCOUNT.id, "old token", b"bAsIc")) == ACCOUNT


async def test_a_changed_token_stops_working_within_two_seconds(
    store: SqliteStore, authenticator: Authenticator, clock: "ManualClock"
) -> None:
    old, new = asks("AC" + ACCOUNT.id, "old token"), asks("AC" + ACCOUNT.id, "new token")
    assert (await authenticator.account(old)).auth_token == "old token"
    assert await refusal(authenticator, new) == 20003
    await store.put_account(msgspec.structs.replace(ACCOUNT, auth_token="new token"))
    clock.time += 2 * SECOND
    assert await refusal(authenticator, old) == 20003
    assert (await authenticator.account(new)).auth_token == "new token"


async def test_a_changed_key_stops_working_within_two_seconds(
    store: SqliteStore, authenticator: Authenticator, clock: "ManualClock"
) -> None:
    old = asks("SK" + KEY.id, "old secret")
    assert await authenticator.account(old) == ACCOUNT
    await store.put_api_key(msgspec.structs.replace(KEY, secret_hash=sha256(b"new secret").hexdigest()))
    clock.time += 2 * SECOND
    assert await refusal(authenticator, old) == 20003


async def test_an_account_that_is_closed_is_told_so_whichever_way_it_asks(
    store: SqliteStore, authenticator: Authenticator
) -> None:
    await store.put_account(msgspec.structs.replace(ACCOUNT, active=False))
    assert await refusal(authenticator, asks("AC" + ACCOUNT.id, "old token")) == 20005
    assert await refusal(authenticator, asks("SK" + KEY.id, "old secret")) == 20005
    assert await refusal(authenticator, asks("AC" + ACCOUNT.id, "wrong")) == 20003


async def test_what_was_read_a_moment_ago_is_not_read_again(
    store: SqliteStore, authenticator: Authenticator
) -> None:
    right = asks("AC" + ACCOUNT.id, "old token")
    await authenticator.account(right)
    await store.put_account(msgspec.structs.replace(ACCOUNT, auth_token="new token"))
    assert (await authenticator.account(right)).auth_token == "old token"


async def test_a_rotated_token_is_good_until_the_overlap_ends(
    store: SqliteStore, authenticator: Authenticator, clock: "ManualClock"
) -> None:
    until = clock.now() + HOUR
    rotated = msgspec.structs.replace(
        ACCOUNT, auth_token="new token", previous_token="old token", previous_until=until
    )
    await store.put_account(rotated)
    old, new = asks("AC" + ACCOUNT.id, "old token"), asks("AC" + ACCOUNT.id, "new token")
    clock.time = until - 1
    for request in (old, new):
        assert await authenticator.account(request) == rotated
    assert await refusal(authenticator, asks("AC" + ACCOUNT.id, "older token")) == 20003
    # The account is remembered still: it is the time that counts.
    clock.time = until
    assert await refusal(authenticator, old) == 20003
    assert await authenticator.account(new) == rotated


async def test_a_test_account_asks_only_where_it_may(store: SqliteStore, authenticator: Authenticator) -> None:
    test = msgspec.structs.replace(ACCOUNT, test=True)
    await store.put_account(test)
    for user, password in (("AC" + ACCOUNT.id, "old token"), ("SK" + KEY.id, "old secret")):
        assert await refusal(authenticator, asks(user, password)) == 20008
        assert await authenticator.account(asks(user, password), "twilio", test_too=True) == test
        assert await authenticator.owner(user, password.encode(), test_too=True) == test
        with pytest.raises(Problem, match="20008"):
            await authenticator.owner(user, password.encode(), "signalwire_relay")
    assert await refusal(authenticator, asks("AC" + ACCOUNT.id, "wrong")) == 20003
