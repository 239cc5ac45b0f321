"""One HTTP exchange with an application: what is asked, what comes back, what can go wrong.

The delivery engine makes a `Request`, `transport.Transport` answers with a `Response` or raises a
`TransportError`, whose kind decides about retries and whose code goes to the debugger.
"""

import errno
import ssl
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Literal, get_args

import msgspec

from tidings.callbacks.url import Url

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)

Headers = Sequence[tuple[bytes, bytes]]


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds. The defaults are Twilio's (webhook connection overrides ct, rt, tt)."""

    connect: float = 5.0
    """For each address tried, the TLS handshake included; also for the lookup and a free connection."""
    read: float = 15.0
    """For the first byte of the response, and again for every further packet."""
    total: float = 15.0
    """For everything, the silent retry on a fresh connection included."""


class Request(msgspec.Struct, frozen=True):
    """A request to an application. Host and Content-Length are the transport's to write."""

    method: Method
    url: Url
    headers: Headers = ()
    body: bytes = b""
    timeouts: Timeouts = Timeouts()
    sni: bool = True
    """Whether the TLS handshake names the host (Twilio's override sni=n: it does not)."""


class Response(msgspec.Struct, frozen=True):
    """What the application answered, 3xx included: redirects are the caller's to follow or not."""

    status: int
    headers: Headers
    """Names as the server spelled them, in order, trailers left out."""
    body: bytes
    """At most the transport's `max_body` bytes; a Content-Encoding is the caller's to undo."""
    elapsed: float
    """Seconds from `send` to the last byte."""
    truncated: bool = False
    """The body was longer."""
    connected: float = 0.0
    """Seconds from `send` until there was a connection to ask on."""
    first_byte: float = 0.0
    """Seconds from `send` to the first byte of the response."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header; `name` in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class Kind(StrEnum):
    """What kept an exchange from ending with a response."""

    GUARDED = "guarded"
    DNS = "dns"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"
    TLS_NAME = "tls_name"
    TLS_EXPIRED = "tls_expired"
    TLS_UNTRUSTED = "tls_untrusted"
    READ_TIMEOUT = "read_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    RESET = "reset"
    PROTOCOL = "protocol"
    REDIRECTS = "redirects"


CODES: dict[Kind, int] = {
    Kind.GUARDED: 11200,  # Twilio lists a private or local address among the causes of 11200
    Kind.DNS: 11210,
    Kind.TOO_MANY_CONNECTIONS: 11200,  # ours alone; 11200 is what has no code of its own
    Kind.REFUSED: 11202,
    Kind.UNREACHABLE: 11205,
    Kind.CONNECT_TIMEOUT: 11201,
    Kind.TLS: 11220,
    Kind.TLS_NAME: 11235,
    Kind.TLS_EXPIRED: 11236,
    Kind.TLS_UNTRUSTED: 11237,
    Kind.READ_TIMEOUT: 11203,
    Kind.TOTAL_TIMEOUT: 11203,
    Kind.RESET: 11200,  # "network disruptions"
    Kind.PROTOCOL: 11206,
    Kind.REDIRECTS: 11215,
}
"""Twilio debugger codes."""


class TransportError(Exception):
    """No response; the message says what happened, for people."""

    def __init__(self, kind: Kind, detail: str, *, heard: bool = False) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.heard = heard
        """Part of a response came: Twilio never retries that."""
        self.elapsed = 0.0
        """Seconds from `send` to the failure."""
        self.connected: float | None = None
        """Seconds from `send` until there was a connection; None where there never was one."""
        self.first_byte: float | None = None
        """Seconds from `send` to the first byte of the response, where any came."""

    @property
    def code(self) -> int:
        """Twilio debugger code."""
        return CODES[self.kind]


# X509_V_ERR_* of OpenSSL's x509_vfy.h: expired; host name and address mismatch; the rest of what a
# verification can find (self-signed, unknown issuer, revoked …) is a chain that is not trusted.
_CERTIFICATE = {10: Kind.TLS_EXPIRED, 62: Kind.TLS_NAME, 64: Kind.TLS_NAME}
_OUR_FAULT = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM})


def connect_failure(error: OSError, scheme: str, place: str) -> TransportError:
    """What an error of connecting to `place` (host and address, for people) means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        kind = _CERTIFICATE.get(error.verify_code, Kind.TLS_UNTRUSTED)
        return TransportError(kind, f"{place}: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return TransportError(Kind.TLS, f"{place}: TLS handshake failed: {error.reason or error}")
    if isinstance(error, ConnectionRefusedError):
        return TransportError(Kind.REFUSED, f"{place}: connection refused")
    if isinstance(error, TimeoutError):
        return TransportError(Kind.CONNECT_TIMEOUT, f"{place}: no connection in time")
    if error.errno in _OUR_FAULT:
        return TransportError(Kind.TOO_MANY_CONNECTIONS, f"{place}: {error.strerror}")
    if isinstance(error, ConnectionError):
        kind, during = (Kind.TLS, "TLS handshake") if scheme == "https" else (Kind.RESET, "connecting")
        return TransportError(kind, f"{place}: connection closed during {during}")
    return TransportError(Kind.UNREACHABLE, f"{place}: {error.strerror or error}")
