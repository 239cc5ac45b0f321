"""SignalWire's official clients, unmodified, against `tidings serve --tls`, by the lines that it prints."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

import msgspec
import pytest

from tests.clients import old_client
from tidings.callbacks.signing import signalwire_form_signature

NEW: Final = Path(sys.executable)
SENDER: Final = "+15005550006"
PATIENCE: Final = 30.0


class Served(msgspec.Struct, frozen=True):
    """A gateway in a process of its own, as its banner describes it."""

    url: str
    at: str
    """Of https and wss, host:port."""
    authority: str
    account: str
    project: str
    token: str
    key: str
    data: Path


_BANNER: Final = {
    "url": r"listens on (http://\S+)",
    "account": r"account SID  (\S+)",
    "project": r"project ID   (\S+)",
    "token": r"auth token   (\S+)",
    "key": r"signing key  (\S+)",
    "at": r"https and wss  https://(\S+),",
    "authority": r"authority      (\S+),",
}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidings", "serve", "--tls", "--port", "0", "--tls-port", "0"),
        *("--data", str(tmp_path / "data"), "--log-level", "error"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    banner = ""
    async with asyncio.timeout(PATIENCE):
        while "authority  " not in banner:
            banner += (await process.stdout.readline()).decode()
    found = {name: re.search(pattern, banner) for name, pattern in _BANNER.items()}
    assert all(found.values()), banner
    yield Served(data=tmp_path / "data", **{name: match[1] for name, match in found.items() if match})
    process.terminate()
    async with asyncio.timeout(PATIENCE):
        await process.wait()


class Callee:
    """The application: keeps the forms it is posted, with their signatures."""

    def __init__(self) -> None:
        self.came: asyncio.Queue[tuple[dict[str, str], str]] = asyncio.Queue()
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                signature = re.search(r"x-signalwire-signature: (\S+)", head, re.IGNORECASE)
                assert length and signature
                body = (await reader.readexactly(int(length[1]))).decode()
                form = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
                self.came.put_nowait((form, signature[1]))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@pytest.fixture
async def callee() -> AsyncIterator[Callee]:
    callee = Callee()
    server = await asyncio.start_server(callee.answer, "127.0.0.1", 0)
    callee.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/status"
    yield callee
    server.close()


async def test_the_old_client_sends_and_is_called_back(served: Served, callee: Callee) -> None:
    made, ended = await old_client.run(
        "whole_rest.py",
        *(served.authority, served.project, served.token, callee.url),
        env={"SIGNALWIRE_SPACE_URL": f"https://{served.at}"},
    )
    assert (made["status"], made["segments"]) == ("queued", 1)
    assert ended == made | {"status": "delivered"}
    told: list[str] = []
    async with asyncio.timeout(PATIENCE):
        while told[-1:] != ["delivered"]:
            form, signature = await callee.came.get()
            assert form["MessageSid"] == made["sid"]
            assert signature == signalwire_form_signature(served.key, callee.url, list(form.items()))
            told.append(form["MessageStatus"])
    assert told == ["queued", "sending", "sent", "delivered"]


async def test_the_old_consumer_sends_and_receives(served: Served) -> None:
    await tidings(served, "numbers", "answer", SENDER, "--relay", "office")
    message = json.dumps({"context": "office", "to_number": "+15551230200", "from_number": SENDER, "body": "hi"})
    async with old_client.running(
        "relay_blade.py",
        *(served.at, served.project, served.token, "office", message),
        env={"SSL_CERT_FILE": served.authority},
    ) as consumer:
        assert await consumer.line() == {"what": "ready"}
        seen = [await consumer.line()]
        while seen[-1].get("state") != "delivered":
            seen.append(await consumer.line())
        assert [one["state"] for one in seen if one["what"] == "state"] == [
            "queued",
            "initiated",
            "sent",
            "delivered",
        ]
        await tidings(served, "inbound", "--from", "+15551230000", "--to", SENDER, "--body", "anybody there?")
        received = await consumer.line()
        assert (received["what"], received["body"]) == ("received", "anybody there?")
        await consumer.stop()


async def test_the_present_client_sends_and_receives(served: Served) -> None:
    await tidings(served, "numbers", "answer", SENDER, "--relay", "office")
    environment = {
        "SIGNALWIRE_SPACE": served.at.replace("localhost", "Localhost"),
        "SIGNALWIRE_REST_CA_FILE": served.authority,
        "SIGNALWIRE_RELAY_CA_FILE": served.authority,
    }
    async with old_client.running(
        "whole_sdk.py", served.project, served.token, env=environment, python=NEW
    ) as client:
        assert await client.line() == {"what": "rest", "status": "queued", "kind": "sms"}
        assert await client.line() == {"what": "relay", "state": "delivered"}
        assert await client.line() == {"what": "listening"}
        await tidings(served, "inbound", "--from", "+15551230000", "--to", SENDER, "--body", "hello office")
        received = {"what": "received", "sender": "+15551230000", "to": SENDER, "body": "hello office"}
        assert await client.rest() == [received]


async def tidings(served: Served, *arguments: str) -> None:
    """A verb, for the gateway's account."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tidings", *arguments, "--url", served.url, "--data", str(served.data)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
