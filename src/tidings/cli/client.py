"""A client of a running gateway: sends through its Twilio API; everything else goes through our own.

`demo` and the verbs that take `access.gateway_options` use it. Whatever goes wrong is one line for the person who
typed the command.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import click
import httpx

from tidings.lifecycle import FINAL, Status
from tidings.model import CallbackState

Where = Mapping[str, str | list[str]]
"""A filter as our own API takes it: parameter → value, or the values of one that is repeated."""

FIRST_LOOK: Final = 0.01
LONGEST_LOOK: Final = 0.5
"""Seconds between two looks at what changes: it is looked at less often the longer nothing happens."""
TIMEOUT: Final = 15.0
"""Seconds for one request."""
OUTSTANDING: Final = (CallbackState.OWED, CallbackState.RETRYING)
PAGE: Final = 100
"""What a list is asked for at a time."""
EXPORT: Final = "/v1/opt-outs/export"


class Client:
    """Speaks for the account with this SID and auth token."""

    def __init__(self, url: str, account: str, token: str) -> None:
        self.url = url.rstrip("/")
        self.account = account
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
        return await self._ask("POST", f"/2010-04-01/Accounts/{self.account}/Messages.json", form)

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

    # --- numbers
    async def numbers(self) -> list[dict[str, Any]]:
        numbers: list[dict[str, Any]] = (await self._ask("GET", "/v1/numbers"))["numbers"]
        return numbers

    async def number(self, address: str) -> dict[str, Any]:
        return await self._ask("GET", f"/v1/numbers/{quote(address, safe='')}")

    async def have_answered(self, address: str, by: Where) -> dict[str, Any]:
        """The number, once those answer it that the form `by` names."""
        return await self._ask("PUT", f"/v1/numbers/{quote(address, safe='')}", by)

    async def receive(self, message: dict[str, Any]) -> dict[str, Any]:
        """What the simulated carrier made of a handset's message."""
        return await self._ask("POST", "/v1/simulator/inbound", content=message)

    # --- opt-outs
    async def opt_outs(self, where: Where, limit: int) -> AsyncIterator[dict[str, Any]]:
        """Up to `limit` entries of the list, by scope and recipient."""
        async for entry in self._listed("/v1/opt-outs", "opt_outs", where, limit):
            yield entry

    async def opt_out(self, scope: str, recipient: str) -> dict[str, Any]:
        """The entry, new or there already."""
        return await self._ask("PUT", _opt_out(scope, recipient))

    async def lift_opt_out(self, scope: str, recipient: str) -> None:
        await self._request("DELETE", _opt_out(scope, recipient))

    async def import_opt_outs(self, lines: bytes) -> dict[str, Any]:
        """What came of it: how many were read, and how many of them are new."""
        headers = {"Content-Type": "text/csv"}
        return self._decoded(await self._request("POST", "/v1/opt-outs/import", content=lines, headers=headers))

    async def export_opt_outs(self) -> AsyncIterator[bytes]:
        """All of the list as CSV, a page at a time, each with a line that names the columns."""
        following: str | None = EXPORT
        while following:
            page = await self._request("GET", following)
            yield page.content
            following = page.links.get("next", {}).get("url")

    # --- time
    async def clock(self) -> dict[str, Any]:
        return await self._ask("GET", "/v1/clock")

    async def wind(self, advance: str) -> dict[str, Any]:
        """The clock, after it was wound ahead by so much: `72h`."""
        return await self._ask("POST", "/v1/clock", content={"advance": advance})

    # --- callbacks
    async def callbacks(self, where: Where, limit: int) -> AsyncIterator[dict[str, Any]]:
        """Up to `limit` callbacks, newest first."""
        async for callback in self._listed("/v1/callbacks", "callbacks", where, limit):
            yield callback

    async def callback(self, id: str) -> dict[str, Any]:
        """One callback with its attempts, `attempt_log`."""
        return await self._ask("GET", f"/v1/callbacks/{quote(id, safe='')}")

    async def hosts(self) -> list[dict[str, Any]]:
        hosts: list[dict[str, Any]] = (await self._ask("GET", "/v1/callbacks/hosts"))["hosts"]
        return hosts

    async def replay_one(self, id: str) -> dict[str, Any]:
        """The callback, owed again."""
        return await self._ask("POST", f"/v1/callbacks/{quote(id, safe='')}/replay")

    async def replay_all(self, where: Where) -> dict[str, Any]:
        """The replay that was begun."""
        return await self._ask("POST", "/v1/replays", where)

    async def follow_callback(self, id: str) -> AsyncIterator[dict[str, Any]]:
        """The callback as it is now, and then whenever something has changed; until it is done or given up."""
        async for callback in self._follow(f"/v1/callbacks/{quote(id, safe='')}"):
            yield callback
            if callback["state"] not in OUTSTANDING:
                return

    async def follow_replay(self, id: str) -> AsyncIterator[dict[str, Any]]:
        """The replay as it is now, and then whenever something has changed; until nothing of it is owed."""
        async for replay in self._follow(f"/v1/replays/{quote(id, safe='')}"):
            yield replay
            if replay["ended_at"] and not any(replay["progress"][state] for state in OUTSTANDING):
                return

    async def _follow(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """What stands at `path`, now and whenever it has changed; looked at less often as time goes by."""
        last, wait = None, FIRST_LOOK
        while True:
            answer = await self._ask("GET", path)
            if answer != last:
                yield answer
            last, wait = answer, min(wait * 1.5, LONGEST_LOOK)
            await asyncio.sleep(wait)

    async def _listed(self, path: str, name: str, where: Where, limit: int) -> AsyncIterator[dict[str, Any]]:
        """Up to `limit` of what is listed at `path` under `name`, a page at a time."""
        page: Where = where
        while limit > 0:
            answer = await self._ask("GET", path, query={**page, "limit": str(min(limit, PAGE))})
            for one in answer[name]:
                yield one
            limit -= len(answer[name])
            if answer["next"] is None:
                return
            page = {**where, "after": answer["next"]}

    async def _ask(
        self,
        method: str,
        path: str,
        form: Where | None = None,
        query: Where | None = None,
        content: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The JSON that is answered to a `form`, or to `content` as JSON. Raises ClickException."""
        return self._decoded(await self._request(method, path, data=form, params=query, json=content))

    async def _request(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer, where that is no refusal. Raises ClickException."""
        try:
            response = await self._http.request(method, path, **request)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise click.ClickException(
                f"no gateway answers at {self.url}: {error or type(error).__name__}"
            ) from None
        if response.is_success:
            return response
        answer = self._decoded(response)
        if "code" not in answer:
            raise click.ClickException(f"{self.url} answered {response.status_code}")
        said = answer.get("detail") or answer.get("message")
        raise click.ClickException(f"the gateway refused it: error {answer['code']}: {said}")

    def _decoded(self, response: httpx.Response) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = response.json()
        except ValueError:
            raise click.ClickException(f"what answers at {self.url} is no Tidings gateway") from None
        return answer


def _opt_out(scope: str, recipient: str) -> str:
    return f"/v1/opt-outs/{quote(scope, safe='')}/{quote(recipient, safe='')}"
