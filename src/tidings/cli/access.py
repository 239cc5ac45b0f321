"""Where a gateway is, and for which account a verb speaks to it: the options, and the client they make.

The verbs that are clients of a gateway take them. What is not given is read off the data directory of a gateway on
this machine.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from tidings.cli.client import Client
from tidings.cli.data import data_option, kept_account, running_at
from tidings.ids import sid
from tidings.model import Account

URL: Final = "http://127.0.0.1:8080"

R = TypeVar("R")


class Access(msgspec.Struct, frozen=True):
    """As it was given; None where it was not."""

    url: str | None
    account: str | None
    """AC and 32 hex digits."""
    token: str | None
    data: Path

    def run(self, work: Callable[[Client], Awaitable[R]]) -> R:
        """Do `work` with a client, and end."""

        async def run() -> R:
            async with await self._client() as client:
                return await work(client)

        return asyncio.run(run())

    async def _client(self) -> Client:
        """Raises UsageError where nothing says for which account, or with which token."""
        url = self.url or running_at(self.data) or URL
        if self.account and self.token:
            return Client(url, self.account, self.token)
        known = await self.kept_account()
        if known is None:
            raise click.UsageError(
                "no credentials: give --account and --token, or set TIDINGS_ACCOUNT_SID and TIDINGS_AUTH_TOKEN",
                click.get_current_context(),
            )
        return Client(url, sid("AC", known.id), self.token or known.auth_token)

    async def kept_account(self) -> Account | None:
        """The account as the data directory knows it, if it does."""
        return await kept_account(self.data, self.account)

    def __repr__(self) -> str:
        return f"Access(url={self.url!r}, account={self.account!r})"


def gateway_options(command: Callable[..., R]) -> Callable[..., R]:
    """--url, --account, --token and --data, which reach the command as an `Access`, its first argument."""

    @wraps(command)
    def with_access(url: str | None, account: str | None, token: str | None, data: Path, **others: Any) -> R:
        return command(Access(url, account, token, data), **others)

    for option in reversed(_OPTIONS):
        option(with_access)
    return with_access


_OPTIONS: Final[tuple[Callable[[Callable[..., object]], object], ...]] = (
    click.option(
        "--url",
        envvar="TIDINGS_URL",
        help=f"Where the gateway is.  [default: TIDINGS_URL, else where the one on DIR listens, else {URL}]",
    ),
    click.option(
        "--account",
        envvar="TIDINGS_ACCOUNT_SID",
        metavar="SID",
        help="AC… and 32 hex digits.  [default: TIDINGS_ACCOUNT_SID, else that of the account in DIR]",
    ),
    click.option(
        "--token",
        envvar="TIDINGS_AUTH_TOKEN",
        help="Its auth token.  [default: TIDINGS_AUTH_TOKEN, else that of the account in DIR]",
    ),
    data_option,
)
