"""A RELAY session as a bare WebSocket: requests, results, and the events in between, which it acknowledges."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import websockets

from tests.tongues.house import ACCOUNT, SENDER, WAIT, House
from tidings.ids import dashed


class Session:
    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self.protocol = ""
        self.acknowledges = True
        self.events: list[dict[str, Any]] = []
        """The params of those that came so far."""

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result of one request."""
        await self._socket.send(json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": params}))
        while (frame := await self._frame()).get("id") != method:
            await self._take(frame)
        result: dict[str, Any] = frame["result"]
        return result

    async def until(self, state: str) -> list[str]:
        """The states that messages were in, once one of them is this."""
        while state not in (states := [event["params"]["message_state"] for event in self.events]):
            await self._take(await self._frame())
        return states

    async def send(self, to: str, context: str | None = None, **more: Any) -> str:
        """The id of a message that was sent."""
        params = {"from_number": SENDER, "to_number": to, "body": "hello", **more}
        result = await self.ask("messaging.send", params | ({"context": context} if context else {}))
        assert result["code"] == "200", result
        return str(result["message_id"])

    async def _frame(self) -> dict[str, Any]:
        async with asyncio.timeout(WAIT):
            frame: dict[str, Any] = json.loads(await self._socket.recv())
            return frame

    async def _take(self, frame: dict[str, Any]) -> None:
        if frame["method"] == "signalwire.event":
            self.events.append(frame["params"])
        if self.acknowledges:
            await self._socket.send(json.dumps({"jsonrpc": "2.0", "id": frame["id"], "result": {}}))


@asynccontextmanager
async def session(house: House, *contexts: str, protocol: str | None = None) -> AsyncIterator[Session]:
    async with websockets.connect(house.url.replace("http", "ws") + "/api/relay/ws") as socket:
        opened = Session(socket)
        result = await opened.ask(
            "signalwire.connect",
            {
                "version": {"major": 2, "minor": 0, "revision": 0},
                "event_acks": True,
                "authentication": {"project": dashed(ACCOUNT.id), "token": ACCOUNT.auth_token},
                "contexts": list(contexts),
            }
            | ({"protocol": protocol} if protocol else {}),
        )
        opened.protocol = result["protocol"]
        yield opened
