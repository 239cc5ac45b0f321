"""A process beside the gateway for `test_apart`: echoes, holds answers back until told, tells its id.

Runs as `apart.Apart` begins it: `main`, with the number of its socket and its settings.
"""

import os
import socket

import msgspec

from tidings.apart import Frames, frame, of_gateway


def main() -> None:
    fd, settings = of_gateway()
    held: dict[str, int] = {}
    frames = Frames()
    with socket.socket(fileno=fd) as gateway:

        def answer(number: int, said: str) -> None:
            gateway.sendall(frame(msgspec.msgpack.encode((number, said))))

        while data := gateway.recv(1 << 16):
            for content in frames.feed(data):
                number, (act, word) = msgspec.msgpack.decode(content)
                match act:
                    case "echo":
                        answer(number, word)
                    case "hold":
                        held[word] = number
                    case "release":
                        answer(held.pop(word), word)
                        answer(number, "released")
                    case "pid":
                        answer(number, str(os.getpid()))
                    case "settings":
                        answer(number, settings.decode())
