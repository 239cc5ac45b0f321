"""Callback URLs: what they must look like and what of them goes where on the wire.

The REST dialects call `parse_url` to validate a StatusCallback (Twilio 21609), the delivery engine to make
a request of it. Pure; results are cached because a few URLs make most of the traffic.
"""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import unquote

import msgspec

MAX_URL = 4000
"""Characters (Twilio 21609)."""
MAX_HOST = 253
"""Octets of a host name without its root dot (RFC 1035 §2.3.4)."""

DEFAULT_PORTS = {"http": 80, "https": 443}

# RFC 3986 appendix B with the authority taken apart: scheme, userinfo, host, port, target, fragment.
_URL = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://(?:([^/?#@\\]*)@)?(\[[^\]/?#@]*\]|[^:/?#@\[\]]*)(?::([^/?#@]*))?"
    r"([/?][^#]*)?(?:#(.*))?",
    re.DOTALL,
)
_FORBIDDEN = re.compile(r"[^\x21-\x7e]")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


class InvalidUrl(ValueError):
    """The text is not a URL that we call; the message says why, for people."""


class Url(msgspec.Struct, frozen=True):
    """A callback URL, taken apart."""

    text: str
    """As it was given, without its fragment: what is signed, userinfo and all."""
    scheme: str
    host: str
    """Lower case; an IPv6 address without its brackets."""
    port: int
    target: str
    """Path and query as they were written; "/" stands for none."""
    credentials: tuple[str, str] | None
    """User and password from the userinfo, decoded."""
    fragment: str
    """Connection overrides ("rc=2&rt=500"); never sent."""
    origin: tuple[str, str, int]
    """Scheme, host and port: what connections are kept by."""
    wire: bytes
    """What follows the method in a request: the target, the version and the Host line."""

    def __repr__(self) -> str:
        """Without the password, and without a query that may hold one."""
        return f"Url({self.scheme} {self.host} {self.port} {self.target.partition('?')[0]})"


@lru_cache(maxsize=1024)
def parse_url(text: str) -> Url:
    """Take a callback URL apart.

    Raises:
        InvalidUrl: not http(s), no valid host name (underscores are not, Twilio 21609), a port out of
            range, longer than `MAX_URL`, or characters that would have to be percent-encoded.
    """
    if len(text) > MAX_URL:
        raise InvalidUrl(f"URL is longer than {MAX_URL} characters")
    if forbidden := _FORBIDDEN.search(text):
        raise InvalidUrl(
            f"URL has {forbidden.group()!r} at position {forbidden.start()}: percent-encode it"
            " (or, in a host name, write the xn-- form)"
        )
    parts = _URL.fullmatch(text)
    if parts is None:
        raise InvalidUrl("URL does not read as https://host/path")
    scheme, userinfo, authority, port_text, target, fragment = parts.groups()
    scheme = scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise InvalidUrl(f"URL scheme is {scheme}: only http and https are called")
    host = _host(authority)
    port = _port(port_text, scheme)
    target = target or "/"
    if target[0] == "?":
        target = "/" + target
    shown = f"[{host}]" if ":" in host else host
    if port != DEFAULT_PORTS[scheme]:
        shown = f"{shown}:{port}"
    return Url(
        text=text.partition("#")[0],
        scheme=scheme,
        host=host,
        port=port,
        target=target,
        credentials=_credentials(userinfo),
        fragment=fragment or "",
        origin=(scheme, host, port),
        wire=f"{target} HTTP/1.1\r\nHost: {shown}\r\n".encode("ascii"),
    )


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            address = IPv6Address(text[1:-1])
        except AddressValueError as error:
            raise InvalidUrl(f"URL host {text} is not an IPv6 address") from error
        if address.scope_id is not None:
            raise InvalidUrl(f"URL host {text} has a zone, which means nothing outside its own network")
        return str(address)
    host = text.lower()
    name = host.removesuffix(".")
    if not name:
        raise InvalidUrl("URL has no host")
    if "_" in name:
        raise InvalidUrl(f"URL host {host} has an underscore, which host names cannot have")
    labels = name.split(".")
    if len(name) > MAX_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise InvalidUrl(f"URL host {host} is not a host name")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(name)
    return host


def _ipv4(name: str) -> str:
    """A host whose last label is a number can only be an address (WHATWG URL, "ends in a number")."""
    try:
        return str(IPv4Address(name))
    except AddressValueError as error:
        raise InvalidUrl(
            f"URL host {name} is not an IPv4 address in its usual form (four decimal numbers)"
        ) from error


def _port(text: str | None, scheme: str) -> int:
    if not text:
        return DEFAULT_PORTS[scheme]
    if not text.isdigit() or len(text) > 5 or not 0 < int(text) < 65536:
        raise InvalidUrl(f"URL port {text} is not between 1 and 65535")
    return int(text)


def _credentials(userinfo: str | None) -> tuple[str, str] | None:
    if not userinfo:
        return None
    user, _, password = userinfo.partition(":")
    return unquote(user), unquote(password)
