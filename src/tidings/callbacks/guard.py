"""Which addresses a callback may reach: an account chooses the URL, the operator's network is behind us.

The transport asks `Guard.resolve` (or, on the hot path, `Guard.known`) for the addresses of a host and
connects to one of those and to nothing else, so that a name cannot change its mind after the check.
"""

import asyncio
import socket
import time
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IPAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

TTL = 5.0
"""Seconds an answer is used, good or bad: short, for names move; not nothing, for hosts are hot."""
CACHE_SIZE = 4096
"""Hosts whose answers are kept."""


class Reason(StrEnum):
    """Why an address is not for callbacks."""

    LOOPBACK = "loopback"
    PRIVATE = "private"
    LINK_LOCAL = "link-local"
    METADATA = "cloud metadata service"
    MULTICAST = "multicast"
    UNSPECIFIED = "unspecified"
    RESERVED = "reserved"
    DOCUMENTATION = "documentation"
    MAPPED = "IPv4 dressed as IPv6"
    TRANSLATED = "local address translation"


DEVELOPMENT = frozenset({Reason.LOOPBACK, Reason.PRIVATE})
"""What `allow_private` lets through. No development needs a metadata service."""

# The first match tells. IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and its updates),
# kept here because `ipaddress.is_global` answers differently from one Python release to the next; and the
# addresses, as documented by each cloud, at which a machine is told its own secrets.
SPECIAL: tuple[tuple[Network, Reason], ...] = tuple(
    (ip_network(network), reason)
    for reason, networks in (
        # Most clouds; ECS tasks; EKS pods; Alibaba; Azure's host. Then Oracle; AWS, EKS and GCP over IPv6
        (Reason.METADATA, "169.254.169.254 169.254.170.2 169.254.170.23 100.100.100.200 168.63.129.16"),
        (Reason.METADATA, "192.0.0.192 fd00:ec2::254 fd00:ec2::23 fd20:ce::254"),
        (Reason.LOOPBACK, "127.0.0.0/8 ::1"),
        (Reason.UNSPECIFIED, "0.0.0.0/8 ::"),
        # The last two: carrier-grade NAT (RFC 6598) and, from before ULAs, site-local (RFC 3879)
        (Reason.PRIVATE, "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 100.64.0.0/10 fec0::/10"),
        (Reason.LINK_LOCAL, "169.254.0.0/16 fe80::/10"),
        (Reason.DOCUMENTATION, "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20"),
        (Reason.MULTICAST, "224.0.0.0/4 ff00::/8"),
        # Protocol assignments, old 6to4 relays (RFC 7526), benchmarks (RFC 2544), class E and broadcast
        (Reason.RESERVED, "192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 240.0.0.0/4"),
        # Mapped (RFC 4291), translated (RFC 2765): a public server is reached without the disguise
        (Reason.MAPPED, "::ffff:0:0/96 ::ffff:0:0:0/96"),
        # RFC 8215: where in the address the IPv4 one sits is known to that network alone
        (Reason.TRANSLATED, "64:ff9b:1::/48"),
    )
    for network in networks.split()
)

NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: what DNS64 answers for IPv4-only hosts, so on an IPv6-only network the way to most of them."""
SIX_TO_FOUR = IPv6Network("2002::/16")
TEREDO = IPv6Network("2001::/32")
IETF = IPv6Network("2001::/23")
GLOBAL_UNICAST = IPv6Network("2000::/3")


class Refused(Exception):
    """The host, one of its addresses or the port is not for callbacks; `reason` says why, for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unresolved(Exception):
    """The host has no address, or the resolver did not say."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def classify(address: IPAddress) -> Reason | None:
    """What is special about an address, None for one of the public internet.

    An IPv6 address that carries an IPv4 one to a known place (NAT64, 6to4, Teredo) is what that one is:
    that is where the packets end up.
    """
    for network, reason in SPECIAL:
        if address in network:
            return reason
    if isinstance(address, IPv4Address):
        return None
    carried = _carried(address)
    if carried:
        return next(filter(None, map(classify, carried)), None)
    if address not in GLOBAL_UNICAST or address in IETF:
        return Reason.RESERVED
    return None


def _carried(address: IPv6Address) -> tuple[IPv4Address, ...]:
    if address in NAT64:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    if address in SIX_TO_FOUR:
        return (IPv4Address(int(address) >> 80 & 0xFFFFFFFF),)
    if address in TEREDO:  # its server, and the client with every bit turned over (RFC 4380 §4)
        return (IPv4Address(int(address) >> 64 & 0xFFFFFFFF), IPv4Address(~int(address) & 0xFFFFFFFF))
    return ()


class Guard:
    """Resolves hosts and lets through what callbacks may reach."""

    def __init__(
        self,
        allow_private: bool = False,
        allow_hosts: Iterable[str] = (),
        allow_networks: Iterable[str] = (),
        ports: frozenset[int] | None = None,
        *,
        ttl: float = TTL,
        cache_size: int = CACHE_SIZE,
    ) -> None:
        """
        Args:
            allow_private: let loopback and private addresses through (development).
            allow_hosts: names that may have any address at all: the operator vouches for their DNS.
            allow_networks: CIDR blocks let through whatever they are.
            ports: the only ports let through; None lets every port.
            ttl: seconds an answer is used.
            cache_size: hosts whose answers are kept.
        """
        self._lifted = DEVELOPMENT if allow_private else frozenset[Reason]()
        self._hosts = frozenset(_canonical(host) for host in allow_hosts)
        self._networks = tuple(ip_network(network) for network in allow_networks)
        self._ports = ports
        self._ttl = ttl
        self._cache_size = cache_size
        self._answers: dict[str, tuple[float, tuple[str, ...] | Refused | Unresolved]] = {}
        self._lookups: dict[str, asyncio.Task[tuple[str, ...]]] = {}

    def check(self, address: str) -> None:
        """Raises `Refused` for an address in its usual spelling that callbacks may not reach."""
        self._check(address, ip_address(address))

    def known(self, host: str, port: int) -> tuple[str, ...] | None:
        """The checked addresses of a host that was resolved within the last seconds, without waiting.

        None says nothing: `resolve` then finds out, or raises.
        """
        answer = self._answers.get(host)
        if answer is None or answer[0] < time.monotonic() or not isinstance(answer[1], tuple):
            return None
        return answer[1] if self._ports is None or port in self._ports else None

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:
        """The addresses of a host to connect to, in the resolver's order, each checked.

        One forbidden answer among good ones refuses the host: what reaches it would depend on chance.
        Callers at the same time share one lookup; cancelling one of them does not cancel it.

        Raises:
            Refused: the port, the spelling of the host or one of its addresses is not allowed.
            Unresolved: there is no such host, or the resolver failed.
        """
        if self._ports is not None and port not in self._ports:
            raise Refused(f"port {port} is not among those that callbacks may reach")
        answer = self._answers.get(host)
        if answer is not None and answer[0] >= time.monotonic():
            if isinstance(answer[1], tuple):
                return answer[1]
            raise type(answer[1])(answer[1].reason)
        lookup = self._lookups.get(host)
        if lookup is None:
            lookup = self._lookups[host] = asyncio.create_task(self._look_up(host))
            lookup.add_done_callback(lambda done: self._finished(host, done))
        return await asyncio.shield(lookup)

    async def _look_up(self, host: str) -> tuple[str, ...]:
        literal = _literal(host)
        if literal is not None:
            self._check(host, literal)
            return (str(literal),)
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Unresolved(f"{host}: {getattr(error, 'strerror', None) or error}") from error
        addresses = tuple(dict.fromkeys(str(answer[4][0]) for answer in found))
        if not addresses:
            raise Unresolved(f"{host} has no address")
        if _canonical(host) not in self._hosts:
            for address in addresses:
                self._check(host, ip_address(address))
        return addresses

    def _finished(self, host: str, lookup: asyncio.Task[tuple[str, ...]]) -> None:
        del self._lookups[host]
        if lookup.cancelled():
            return
        failure = lookup.exception()
        if failure is None or isinstance(failure, Refused | Unresolved):
            self._answers.pop(host, None)  # the newest last, so that the first is the oldest
            self._answers[host] = (time.monotonic() + self._ttl, failure or lookup.result())
            if len(self._answers) > self._cache_size:
                del self._answers[next(iter(self._answers))]

    def _check(self, host: str, address: IPAddress) -> None:
        reason = classify(address)
        if reason is None or reason in self._lifted:
            return
        if any(address in network for network in self._networks):
            return
        shown = host if host == str(address) else f"{host} ({address})"
        raise Refused(f"{shown} is not for callbacks: {reason}")


def _canonical(host: str) -> str:
    return host.lower().removesuffix(".")


def _literal(host: str) -> IPAddress | None:
    """The address a host spells, None for a name.

    Raises `Refused` for the spellings that only inet_aton reads ("2130706433", "0x7f.1", "0177.0.0.1"): they
    mean one thing to a resolver and another to whoever reads the URL.
    """
    try:
        return ip_address(host.removesuffix("."))
    except ValueError:
        pass
    try:
        socket.inet_aton(host.removesuffix("."))
    except OSError:
        return None
    raise Refused(f"{host} is an address in disguise: write it as four decimal numbers")
