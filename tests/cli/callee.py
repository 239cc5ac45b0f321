"""An application that callbacks go to: answers each one as it is told to, and keeps what came."""

import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from tests.cli.executable import PATIENCE


class Called(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    """By their names in lower case."""
    body: bytes


class Callee:
    """Listens on a port of its own until it is closed."""

    def __init__(self, status: int) -> None:
        self.status = status
        """What everything is answered with."""
        self.words = b"no longer here"
        self.content_type = "text/html"
        self._called: queue.Queue[Called] = queue.Queue()
        callee = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                callee._called.put(Called(self.command, self.path, headers, body))
                words = callee.words if callee.status != 204 else b""
                self.send_response(callee.status)
                self.send_header("Content-Type", callee.content_type)
                self.send_header("Content-Length", str(len(words)))
                self.end_headers()
                self.wfile.write(words)

            do_GET = do_POST = answer  # noqa: N815 - http.server's names

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.host = f"http://127.0.0.1:{self._server.server_port}"

    def called(self) -> Called:
        """The next callback, once it has come."""
        return self._called.get(timeout=PATIENCE)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)
