"""The lines that `tidings serve --tls` prints for clients, each tried with the client: with them it comes through.

Behind the port is no gateway, only what answers every request with 404 and accepts every WebSocket.
"""

import asyncio
import re
import shlex
import shutil
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest
from starlette.types import Receive, Scope, Send

from tests.clients import old_client
from tidings.cli.tls_lines import CLIENTS, TESTED, client_lines
from tidings.clock import SystemClock
from tidings.server import HttpServer, listen
from tidings.tls import LOCAL_NAMES, LocalAuthority, ShownCertificate

NEW: Final = Path(sys.executable)
OLD: Final = old_client.PYTHON


class Port:
    """An https port, and who came."""

    def __init__(self, directory: Path) -> None:
        shown = ShownCertificate(LocalAuthority(directory, LOCAL_NAMES), SystemClock())
        assert shown.authority is not None
        self.came: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        """Scheme and path of each request and WebSocket."""
        self._server = HttpServer(self._answer, shown.context)
        listener = listen("127.0.0.1", 0)
        self.lines = client_lines(f"localhost:{listener.getsockname()[1]}", shown.authority)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def stop(self) -> None:
        self._server.should_exit = True
        await self._serving

    def section(self, client: str) -> list[str]:
        """The lines for one client."""
        begin = next(at for at, line in enumerate(self.lines) if line.startswith(f"# {client} ("))
        rest = self.lines[begin + 1 :]
        return rest[: rest.index("")] if "" in rest else rest

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.came.put_nowait((scope["scheme"], scope["path"]))
        await receive()
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                pass
            return
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"code": 20404, "message": "nowhere", "status": 404}'})


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    port = Port(tmp_path / "a directory" / "tls")
    yield port
    await port.stop()


def environment(lines: list[str]) -> dict[str, str]:
    """What they export."""
    words = [shlex.split(line, comments=True) for line in lines]
    return dict(word[1].split("=", 1) for word in words if word[:1] == ["export"])


def in_the_program(lines: list[str]) -> list[str]:
    """The value that the program is to set, where there is one."""
    return [match[1] or match[2] for line in lines if (match := re.search(r"""^#.* = (?:'(.+)'|"(.+)")$""", line))]


REQUESTS: Final = {
    "signalwire-sdk 3.7.5 for Python, REST and RELAY": (NEW, "trust_sdk_rest.py"),
    "signalwire 2.1.1 for Python, REST": (OLD, "trust_old_rest.py"),
    "twilio 9.13 for Python": (NEW, "trust_twilio.py"),
}
SOCKETS: Final = {
    "signalwire-sdk 3.7.5 for Python, REST and RELAY": (NEW, "trust_sdk_relay.py"),
    "signalwire 2.1.1 for Python, RELAY": (OLD, "trust_old_relay.py"),
}


@pytest.mark.parametrize("client", REQUESTS)
async def test_a_request_comes_through_with_the_lines(port: Port, client: str) -> None:
    python, script = REQUESTS[client]
    lines = port.section(client)

    printed = await old_client.run(script, *in_the_program(lines), env=environment(lines), python=python)

    assert printed == [{"status": 404}]
    scheme, _ = port.came.get_nowait()
    assert scheme == "https"


@pytest.mark.parametrize("client", SOCKETS)
async def test_a_websocket_comes_through_with_the_lines(port: Port, client: str) -> None:
    python, script = SOCKETS[client]
    lines = port.section(client)

    async with (
        old_client.running(script, *in_the_program(lines), env=environment(lines), python=python),
        asyncio.timeout(old_client.PATIENCE),
    ):
        assert await port.came.get() == ("wss", "/")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_comes_through_with_its_line(port: Port) -> None:
    (line,) = port.section("curl")

    command = (*shlex.split(line), "--silent", "--show-error", "--noproxy", "*")
    curl = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    answer, _ = await curl.communicate()

    assert (curl.returncode, answer) == (0, b'{"code": 20404, "message": "nowhere", "status": 404}')
    assert port.came.get_nowait() == ("https", "/health/ready")


@pytest.mark.parametrize("client", REQUESTS)
async def test_without_the_authority_a_request_does_not_come_through(port: Port, client: str) -> None:
    python, script = REQUESTS[client]
    lines = port.section(client)
    reach = {name: value for name, value in environment(lines).items() if not value.endswith(".pem")}
    arguments = [value for value in in_the_program(lines) if not value.endswith(".pem")]

    (printed,) = await old_client.run(script, *arguments, env=reach, python=python)

    assert "CERTIFICATE_VERIFY_FAILED" in printed["failed"]
    assert port.came.empty()


def test_of_whom_it_is_said_to_be_tested_it_is() -> None:
    assert {client.name for client in CLIENTS if client.proof == TESTED} == {"curl", *REQUESTS, *SOCKETS}


@pytest.mark.parametrize("package", ["signalwire-sdk", "twilio"])
def test_the_versions_that_are_named_are_those_installed(package: str) -> None:
    named = {word for client in CLIENTS for word in re.findall(rf"^{package} ([\d.]+)", client.name)}

    assert [version(package).startswith(f"{it}.") or version(package) == it for it in named] == [True]
