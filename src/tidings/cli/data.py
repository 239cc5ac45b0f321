"""The data directory: where a gateway keeps its store, and what says that one is running on it.

`serve` and `demo` lock it; `listen` and the verbs that speak to a gateway (`access`) ask it for the address and
the account of the one on this machine; `account` changes the store that lies in it while the gateway runs.
"""

import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import click

from tidings.ids import from_any
from tidings.model import Account
from tidings.provision import open_store
from tidings.settings import Settings, StoreSettings
from tidings.store.base import Store

DIRECTORY: Final = Path(".tidings")
_LOCK: Final = "lock"

data_option: Final = click.option(
    "--data",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    default=DIRECTORY,
    show_default=True,
    help="Data directory.",
)
config_option: Final = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Settings (tidings.toml). Without it: the development setting.",
)


class Lock:
    """Held by the one gateway of a data directory; tells others where that gateway listens."""

    def __init__(self, file: int) -> None:
        self._file = file

    def tell(self, url: str) -> None:
        """Say that the gateway answers at `url`; "" says that it does so no longer."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()} {url}\n".encode() if url else b"", 0)


@contextmanager
def locked(directory: Path) -> Iterator[Lock]:
    """Make the directory where it is missing, and keep every other gateway off it."""
    directory.mkdir(parents=True, exist_ok=True)
    file = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            process, _, _ = os.pread(file, 200, 0).decode("ascii", "replace").partition(" ")
            raise click.ClickException(
                f"another gateway{f' (process {process})' if process else ''} runs on {directory}: "
                "stop it, or give this one another --data directory"
            ) from None
        lock = Lock(file)
        lock.tell("")
        try:
            yield lock
        finally:
            lock.tell("")
    finally:
        os.close(file)


def running_at(directory: Path) -> str | None:
    """Where the gateway of this directory said that it listens; None where it has ended in order."""
    try:
        _, _, url = (directory / _LOCK).read_text("ascii").strip().partition(" ")
    except (OSError, UnicodeDecodeError):
        return None
    return url or None


@asynccontextmanager
async def opened(settings: Settings, directory: Path, *, make: bool) -> AsyncIterator[Store]:
    """The store of a data directory, which a gateway may be using at the same time.

    Raises StoreError, and a ClickException where there is none and `make` does not allow to begin one.
    """
    path = _file(settings.store, directory)
    if not make and not path.exists():
        raise click.ClickException(f"there is no store at {path}: name its place with --data or --config")
    store = open_store(settings.store.url, directory, apart=False)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def _file(settings: StoreSettings, directory: Path) -> Path:
    return directory / settings.url.partition(":///")[2]


async def kept_account(directory: Path, account_sid: str | None = None) -> Account | None:
    """An account that the development setting serves from this directory, by its SID; without one, the first.

    That is never a test account.
    """
    settings = StoreSettings()
    if not _file(settings, directory).exists():
        return None
    async with opened(Settings(store=settings), directory, make=False) as store:
        if account_sid is not None:
            account_id = from_any(account_sid)
            return await store.account(account_id) if account_id else None
        accounts = await store.accounts()
    return next((account for account in accounts if not account.test), None)
