"""Where a gateway is, and for which account a verb speaks to it: the options, and the client they make.

The verbs that are clients of a gateway take them. What is not given is read off the settings of a gateway on this
machine, where these are named, or off its data directory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from tidings.cli.client import Client
from tidings.cli.data import data_option, kept_account, running_at
from tidings.ids import from_any, sid
from tidings.model import Account
from tidings.settings import AccountSettings, Server, load

URL: Final = "http://127.0.0.1:8080"

R = TypeVar("R")


class Access(msgspec.Struct, frozen=True):
    """As it was given; None where it was not."""

    url: str | None
    account: str | None
    """AC and 32 hex digits."""
    token: str | None
    data: Path
    config: Path | None = None

    def run(self, work: Callable[[Client], Awaitable[R]]) -> R:
        """Do `work` with a client, and end."""

        async def run() -> R:
            async with await self._client() as client:
                return await work(client)

        return asyncio.run(run())

    async def _client(self) -> Client:
        """Raises UsageError where nothing says for which account, or with which token; SettingsError."""
        settings = None if self.config is None else load(self.config)
        url = self.url or running_at(self.data) or (URL if settings is None else _address(settings.server))
        if self.account and self.token:
            return Client(url, self.account, self.token)
        if settings is not None and (configured := self._configured(settings.account)) is not None:
            return Client(url, configured.sid, self.token or configured.auth_token)
        known = await self.kept_account()
        if known is None:
            raise click.UsageError(
                "no credentials: give --account and --token, or set TIDINGS_ACCOUNT_SID and TIDINGS_AUTH_TOKEN",
                click.get_current_context(),
            )
        return Client(url, sid("AC", known.id), self.token or known.auth_token)

    def _configured(self, accounts: Sequence[AccountSettings]) -> AccountSettings | None:
        """The account that is named, as the settings have it, or the first one that is not for rehearsals."""
        if self.account is not None:
            named = from_any(self.account)
            return next((one for one in accounts if from_any(one.sid) == named), None)
        return next((one for one in accounts if not one.test), None)

    async def kept_account(self) -> Account | None:
        """The account as the data directory knows it, if it does."""
        return await kept_account(self.data, self.account)

    def __repr__(self) -> str:
        return f"Access(url={self.url!r}, account={self.account!r})"


def gateway_options(command: Callable[..., R]) -> Callable[..., R]:
    """--url, --account, --token, --data, --config: they reach the command as an `Access`, its first argument."""

    @wraps(command)
    def with_access(
        url: str | None, account: str | None, token: str | None, data: Path, config: Path | None, **others: Any
    ) -> R:
        return command(Access(url, account, token, data, config), **others)

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
    click.option(
        "--config",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Settings that the gateway was started with: its address and account, where nothing else says them.",
    ),
)


def _address(server: Server) -> str:
    """Where a gateway with these settings is found from this machine."""
    host = "127.0.0.1" if server.host in ("0.0.0.0", "::") else server.host
    return f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"
