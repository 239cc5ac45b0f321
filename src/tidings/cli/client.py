"""A client of a running gateway: sends through its Twilio API, follows a message through our own.

`send` and `demo` use it. Whatever goes wrong is one line for the person who typed the command.
"""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Final, Self

import click
import httpx

from tidings.lifecycle import FINAL, Status

FIRST_LOOK: Final = 0.01
LONGEST_LOOK: Final = 0.5
"""Seconds between two looks at a history: it is looked at less often the longer nothing happens."""
TIMEOUT: Final = 15.0
"""Seconds for one request."""


class Client:
    """Speaks for the account with this SID and auth token."""

    def __init__(self, url: str, account: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._account = account
        self._http = httpx.AsyncClient(base_url=self.url, auth=(account, token), timeout=TIMEOUT, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def until_ready(self) -> None:
        """Until the gateway says that it can accept and send."""
        while (await self._http.get("/health/ready")).status_code != httpx.codes.OK:  # noqa: ASYNC110 - over HTTP, it has to be asked
            await asyncio.sleep(FIRST_LOOK)

    async def send(self, sender: str, recipient: str, body: str, callback: str | None) -> dict[str, Any]:
        """The Message resource that was made."""
        form = {"From": sender, "To": recipient, "Body": body}
        if callback:
            form["StatusCallback"] = callback
        return await self._ask("POST", f"/2010-04-01/Accounts/{self._account}/Messages.json", form)

    async def history(self, message: str) -> dict[str, Any]:
        """Events, receipts and callbacks of a message, by its SID or id."""
        return await self._ask("GET", f"/v1/messages/{message}/events")

    async def follow(self, message: str) -> AsyncIterator[dict[str, Any]]:
        """Each event of a message once, as it comes, until its status is final."""
        shown, wait = 0, FIRST_LOOK
        while True:
            events = (await self.history(message))["events"]
            for event in events[shown:]:
                yield event
            if events and Status(events[-1]["status"]) in FINAL:
                return
            wait = FIRST_LOOK if len(events) > shown else min(wait * 1.5, LONGEST_LOOK)
            shown = len(events)
            await asyncio.sleep(wait)

    async def _ask(self, method: str, path: str, form: dict[str, str] | None = None) -> dict[str, Any]:
        try:
            response = await self._http.request(method, path, data=form)
            answer: dict[str, Any] = response.json()
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise click.ClickException(
                f"no gateway answers at {self.url}: {error or type(error).__name__}"
            ) from None
        except ValueError:
            raise click.ClickException(f"what answers at {self.url} is no Tidings gateway") from None
        if response.is_success:
            return answer
        if "code" not in answer:
            raise click.ClickException(f"{self.url} answered {response.status_code}")
        said = answer.get("detail") or answer.get("message")
        raise click.ClickException(f"the gateway refused it: error {answer['code']}: {said}")
