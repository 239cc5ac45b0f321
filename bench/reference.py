"""What the machine can do just now: a bare ASGI application on the same server, which answers and does nothing.

Run as `python -m bench.reference` by `end_to_end`, under the same load, right before the gateway: machines are
shared and change their speed by the minute, so what the gateway does is also told as a ratio to this.
"""

import asyncio

import uvloop
from starlette.types import Receive, Scope, Send

from bench.child import announce, told_to_end
from tidings.server import HttpServer, listen

ANSWER = b'{"sid": "' + b"x" * 700 + b'"}'


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


async def main() -> None:
    listener = listen("127.0.0.1", 0)
    server = HttpServer(answer)
    ended = told_to_end()
    announce(listener.getsockname()[1])
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await ended.wait()
    server.should_exit = True
    await serving


if __name__ == "__main__":
    uvloop.run(main())
