"""Whether a certificate was made for a host: what OpenSSL asks by itself, but not where TLS names no host (sni=n).

`transport` calls it once for each such connection, before a byte of a request is written. That the chain is
trusted and in date, OpenSSL has seen to by then.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any


def made_for(host: str, certificate: dict[str, Any] | None) -> bool:
    """Whether `host`, in lower case and without a root dot, is among the names of a certificate (RFC 9525 §6).

    `certificate` is as `ssl.SSLSocket.getpeercert` gives it: without a name where it was not verified. Only
    subjectAltName counts, as the common name has not for long; a wildcard stands for just one whole label.
    """
    names = (certificate or {}).get("subjectAltName", ())
    address = _address(host)
    if address is None:
        return any(kind == "DNS" and _covers(name.lower(), host) for kind, name in names)
    return any(kind == "IP Address" and _address(name) == address for kind, name in names)


def _covers(name: str, host: str) -> bool:
    if name == host:
        return True
    _, _, parent = host.partition(".")
    return "." in parent and name == f"*.{parent}"


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
