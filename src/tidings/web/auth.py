"""Who is asking: HTTP Basic with an account's SID and auth token, or with an API key's SID and secret.

Called by every endpoint that is not public. Accounts come through the gateway's short memory, and keys are
remembered as briefly, so that a changed or withdrawn secret stops working within two seconds; an auth token that
was rotated with an overlap works until that ends.
"""

import hmac
from binascii import a2b_base64
from collections import defaultdict
from functools import partial
from hashlib import sha256

from tidings.clock import Clock
from tidings.errors import Problem
from tidings.gateway.recent import Recent
from tidings.ids import from_project, from_sid
from tidings.model import Account, ApiKey
from tidings.web.crowd import Crowd
from tidings.web.wire import Request


class Authenticator:
    """Turns the `Authorization` of a request into the account it stands for, and counts the request as its own."""

    def __init__(
        self, accounts: Recent[Account], api_keys: Recent[ApiKey], clock: Clock, concurrency: int = 0
    ) -> None:
        """`concurrency`: requests of one account that are answered at once; 0: any number."""
        self._accounts = accounts
        self._keys = api_keys
        self._clock = clock
        self._crowds: defaultdict[str, Crowd] = defaultdict(partial(Crowd, concurrency))

    async def account(self, request: Request, dialect: str | None = None, *, test_too: bool = False) -> Account:
        """The active account that asks, in `dialect` where one is named: its id may be spelled in any.

        `test_too`: it may be a test account. Raises Problem: 20003 for wrong credentials, 20005 when it is
        inactive, 20006 when it does not speak that, 20008 when it is a test account and may not be, 20429 when too
        many requests of its are being answered.
        """
        credentials = _credentials(request.headers.get(b"authorization"))
        account = await self.owner(*credentials, dialect, test_too=test_too)
        request.crowd = self._crowds[account.id]
        request.crowd.join(request)
        return account

    async def owner(
        self, user: str, password: bytes, dialect: str | None = None, *, test_too: bool = False
    ) -> Account:
        """The active account with these credentials. Raises as `account` does, but for 20429."""
        if account_id := from_sid(user, "AC") or from_project(user):
            account = await self._accounts.get(account_id)
            known = account is not None and self._has(account, password)
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
        if dialect is not None and not account.speaks(dialect):
            raise Problem(20006, reason=f"it does not speak {dialect}")
        if account.test and not test_too:
            raise Problem(20008)
        return account

    def _has(self, account: Account, token: bytes) -> bool:
        good = hmac.compare_digest(account.auth_token.encode(), token)
        if account.previous_token is not None and account.overlapping(self._clock.now()):
            # Compared whether the first one fits or not: the time it takes does not tell.
            good |= hmac.compare_digest(account.previous_token.encode(), token)
        return good


def _credentials(authorization: bytes | None) -> tuple[str, bytes]:
    if not authorization:
        raise Problem(20003, detail="The request has no Authorization header")
    scheme, _, encoded = authorization.partition(b" ")
    try:
        if scheme.lower() != b"basic":
            raise ValueError(scheme)
        user, _, password = a2b_base64(encoded.strip(), strict_mode=True).partition(b":")
        return user.decode(), password
    except ValueError:
        raise Problem(20003, detail="The Authorization header is not HTTP Basic") from None
