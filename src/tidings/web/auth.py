"""Who is asking: HTTP Basic with an account's SID and auth token, or with an API key's SID and secret.

Called by every endpoint that is not public. Accounts and keys are read from the store and remembered for a
second, so that a changed or withdrawn secret stops working within two.
"""

import binascii
import hmac
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final, Generic, TypeVar

from tidings.errors import Problem
from tidings.ids import from_sid
from tidings.model import Account
from tidings.store.base import Store

_LIFETIME: Final = 1.0
"""Seconds that a record is believed without asking the store."""
_MOST: Final = 10_000
"""Records remembered at once."""

T = TypeVar("T")


class Authenticator:
    """Turns an `Authorization` header into the account it stands for."""

    def __init__(self, store: Store, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._accounts = _Recent(store.account, monotonic)
        self._keys = _Recent(store.api_key, monotonic)

    async def account(self, authorization: bytes | None) -> Account:
        """The active account that asks. Raises Problem: 20003 for wrong credentials, 20005 when it is inactive."""
        user, password = _credentials(authorization)
        if account_id := from_sid(user, "AC"):
            account = await self._accounts.get(account_id)
            known = account is not None and hmac.compare_digest(account.auth_token.encode(), password)
        elif key_id := from_sid(user, "SK"):
            key = await self._keys.get(key_id)
            known = key is not None and hmac.compare_digest(key.secret_hash, sha256(password).hexdigest())
            account = await self._accounts.get(key.account) if key and known else None
        else:
            account, known = None, False
        if account is None or not known:
            raise Problem(20003, detail="No account or API key has this SID and secret")
        if not account.active:
            raise Problem(20005)
        return account


def _credentials(authorization: bytes | None) -> tuple[str, bytes]:
    if not authorization:
        raise Problem(20003, detail="The request has no Authorization header")
    scheme, _, encoded = authorization.partition(b" ")
    try:
        if scheme.lower() != b"basic":
            raise ValueError(scheme)
        user, _, password = b64decode(encoded.strip(), validate=True).partition(b":")
        return user.decode(), password
    except (ValueError, binascii.Error):
        raise Problem(20003, detail="The Authorization header is not HTTP Basic") from None


class _Recent(Generic[T]):
    """Remembers for a moment what was read, also that nothing was there."""

    def __init__(self, read: Callable[[str], Awaitable[T | None]], monotonic: Callable[[], float]) -> None:
        self._read = read
        self._monotonic = monotonic
        self._records: dict[str, tuple[float, T | None]] = {}

    async def get(self, id: str) -> T | None:
        now = self._monotonic()
        until, record = self._records.get(id, (0.0, None))
        if now < until:
            return record
        record = await self._read(id)
        if len(self._records) >= _MOST:
            self._records.clear()
        self._records[id] = (now + _LIFETIME, record)
        return record
