"""HTTP to the operator's MMSC: one POST, one answer, and whether anything had left when there was none.

`carrier` posts every submission through it. Unlike the transport of callbacks it never sends a request twice by
itself: a kept connection that breaks leaves open whether the MMSC has the message.
"""

import asyncio
import ssl
from typing import Any, Final

import httpx

from tidings import __version__
from tidings.carriers.mm7.settings import Mm7Settings
from tidings.carriers.mm7.verdict import Reply

MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer; a SubmitRsp has about a thousand."""
IDLE: Final = 2.0
"""Seconds a connection is kept unused: less than any server keeps it, so that it seldom closes under a request."""


class NotWritten(Exception):
    """Nothing left us."""


class NoAnswer(Exception):
    """Bytes left, and no answer came that could be read."""


class Client:
    def __init__(self, settings: Mm7Settings, tls: ssl.SSLContext) -> None:
        self._settings = settings
        self._http = httpx.AsyncClient(
            auth=httpx.BasicAuth(settings.user, settings.password) if settings.user else None,
            headers={
                "User-Agent": f"Tidings/{__version__}",
                "Accept": "text/xml, multipart/related",
                "Accept-Encoding": "identity",
                "SOAPAction": '""',
            },
            timeout=httpx.Timeout(settings.timeout, connect=settings.connect_timeout),
            limits=httpx.Limits(
                max_connections=settings.window,
                max_keepalive_connections=settings.window,
                keepalive_expiry=IDLE,
            ),
            verify=tls,
            trust_env=False,
            follow_redirects=False,
        )

    async def post(self, content_type: str, body: bytes) -> Reply:
        """Raises NotWritten, NoAnswer."""
        if self._http.is_closed:
            raise NotWritten("the gateway is stopping")
        written = False

        async def trace(event: str, _: Any) -> None:
            nonlocal written
            written = written or event == "http11.send_request_headers.started"

        extensions: dict[str, Any] = {"trace": trace}
        if self._settings.tls.server_name:
            extensions["sni_hostname"] = self._settings.tls.server_name
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._ask(content_type, body, extensions)
        except (TimeoutError, httpx.HTTPError, OSError) as error:
            raise (NoAnswer if written else NotWritten)(_words(error)) from error

    async def _ask(self, content_type: str, body: bytes, extensions: dict[str, Any]) -> Reply:
        headers = {"Content-Type": content_type}
        async with self._http.stream(
            "POST", self._settings.url, content=body, headers=headers, extensions=extensions
        ) as response:
            answer = bytearray()
            async for chunk in response.aiter_raw():
                answer += chunk
                if len(answer) > MAX_ANSWER:
                    raise NoAnswer(f"HTTP {response.status_code} with more than {MAX_ANSWER} bytes")
            return Reply(
                response.status_code,
                response.headers.get("content-type", ""),
                bytes(answer),
                response.headers.get("retry-after", ""),
            )

    async def close(self) -> None:
        """Requests under way have no answer."""
        await self._http.aclose()


def _words(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return "no answer in time"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
