"""Which addresses a callback may reach: an account chooses the URL, the operator's network is behind us.

The transport asks `Guard.resolve` (or, on the hot path, `Guard.known`) for the addresses of a host and
connects to one of those and to nothing else, so that a name cannot change its mind after the check.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from tidings.callbacks.resolver import PROMPT, Busy, Lookup, Resolver, Standing, system_lookup

IPAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

TTL = 5.0
"""Seconds an answer is used, good or bad: short, for names move; not nothing, for hosts are hot."""
CACHE_SIZE = 4096
"""Hosts whose answers are kept."""
LIMIT = 10.0
"""Seconds callers wait for an answer: as long as any may wait for a connection (Twilio's ct, at most 10 s)."""
PATIENCE = 0.05
"""Seconds callers wait where the last good answer can stand in: half the shortest ct one may ask for."""
GRACE = 60.0
"""Seconds a good answer may stand in for one that does not come: about the TTL such names have, so no longer
than caches keep them anyway. Nothing unchecked is reached by it: the addresses are those that were checked."""


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
        # Most clouds; ECS tasks; EKS pods; Scaleway; Tencent. Then Alibaba; Azure's host; Oracle Classic
        (Reason.METADATA, "169.254.169.254 169.254.170.2 169.254.170.23 169.254.42.42 169.254.0.23"),
        (Reason.METADATA, "100.100.100.200 168.63.129.16 192.0.0.192"),
        # Over IPv6, in the midst of what `allow_private` lifts: all of AWS's services; GCP; Oracle; Alibaba;
        # Scaleway; Akamai. And OpenStack's
        (Reason.METADATA, "fd00:ec2::/32 fd20:ce::254 fd00:c1::a9fe:a9fe fd00:100::100:200"),
        (Reason.METADATA, "fd00:42::42 fd00:a9fe:a9fe::1 fe80::a9fe:a9fe"),
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


Said = tuple[str, ...] | Refused | Unresolved
"""What there is to say of a host: its checked addresses, or why there are none to connect to."""


@dataclass(slots=True)
class _Answer:
    said: Said
    standing: Standing
    until: float
    """When the host is to be asked about again."""
    grace: float
    """Until when good addresses may stand in for an answer that does not come."""


class _Asked(NamedTuple):
    at: float
    answer: asyncio.Task[Said]


# The name is gone, says who must know; whatever else keeps an answer away is silence.
_GONE = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY") if hasattr(socket, name)
)


class Guard:
    """Resolves hosts and lets through what callbacks may reach. Belongs to one event loop."""

    def __init__(
        self,
        allow_private: bool = False,
        allow_hosts: Iterable[str] = (),
        allow_networks: Iterable[str] = (),
        ports: frozenset[int] | None = None,
        *,
        ttl: float = TTL,
        grace: float = GRACE,
        limit: float = LIMIT,
        cache_size: int = CACHE_SIZE,
        lookup: Lookup = system_lookup,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            allow_private: let loopback and private addresses through (development).
            allow_hosts: names that may have any address at all: the operator vouches for their DNS.
            allow_networks: CIDR blocks let through whatever they are.
            ports: the only ports let through; None lets every port.
            ttl: seconds an answer is used.
            grace: seconds a good answer may be used while there is no newer one to be had.
            limit: seconds callers wait for an answer.
            cache_size: hosts whose answers are kept.
            lookup: asks for the addresses of a name; runs on a thread.
            now: the clock, in seconds.
        """
        self._lifted = DEVELOPMENT if allow_private else frozenset[Reason]()
        self._hosts = frozenset(_canonical(host) for host in allow_hosts)
        self._networks = tuple(ip_network(network) for network in allow_networks)
        self._ports = ports
        self._ttl = ttl
        self._grace = grace
        self._limit = limit
        self._cache_size = cache_size
        self._resolver = Resolver(lookup)
        self._now = now
        self._answers: dict[str, _Answer] = {}
        self._asked: dict[str, _Asked] = {}

    def check(self, address: str) -> None:
        """Raises `Refused` for an address in its usual spelling that callbacks may not reach."""
        self._check(address, ip_address(address))

    def known(self, host: str, port: int) -> tuple[str, ...] | None:
        """The checked addresses of a host that was resolved within the last seconds, without waiting.

        None says nothing: `resolve` then finds out, or raises.
        """
        answer = self._answers.get(host)
        if answer is None or answer.until < self._now() or not isinstance(answer.said, tuple):
            return None
        return answer.said if self._ports is None or port in self._ports else None

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:
        """The addresses of a host to connect to, in the resolver's order, each checked.

        One forbidden answer among good ones refuses the host: what reaches it would depend on chance.
        Callers at the same time share one lookup; cancelling one of them does not cancel it. A lookup that
        takes long is waited for briefly if the last good answer is no older than `grace`, and else for
        `limit` from its start; it goes on after that, and whoever calls meanwhile need not wait.

        Raises:
            Refused: the port, the spelling of the host or one of its addresses is not allowed.
            Unresolved: there is no such host, or the resolver failed or did not answer in time.
        """
        if self._ports is not None and port not in self._ports:
            raise Refused(f"port {port} is not among those that callbacks may reach")
        now = self._now()
        answer = self._answers.get(host)
        if answer is not None and answer.until >= now:
            return _addresses(answer.said)
        literal = _literal(host)
        if literal is not None:
            self._check(host, literal)
            return _addresses(self._keep(host, (str(literal),), Standing.PROMPT))
        asked = self._asked.get(host) or self._ask(host)
        patience = PATIENCE if _stands_in(answer, now) else self._limit
        await asyncio.wait((asked.answer,), timeout=max(0.0, asked.at + patience - now))
        if asked.answer.done():
            return _addresses(asked.answer.result())
        return _addresses(self._last(host) or Unresolved(f"{host}: no answer from the resolver in time"))

    def close(self) -> None:
        """Let the threads go. A host that is not known is `Unresolved` from now on."""
        self._resolver.close()

    def _ask(self, host: str) -> _Asked:
        asked = self._asked[host] = _Asked(self._now(), asyncio.create_task(self._look_up(host)))
        asked.answer.add_done_callback(lambda _: self._asked.pop(host))
        return asked

    async def _look_up(self, host: str) -> Said:
        before = self._answers.get(host)
        try:
            reply = await self._resolver.ask(host, before.standing if before else Standing.NEW)
        except Busy as busy:
            return self._last(host) or Unresolved(f"{host}: {busy}")
        standing = Standing.PROMPT if reply.seconds <= PROMPT else Standing.SLOW
        if isinstance(reply.said, OSError) and reply.said.errno not in _GONE and (last := self._last(host)):
            self._answers[host].standing = standing
            return last
        return self._keep(host, self._judge(host, reply.said), standing)

    def _judge(self, host: str, said: tuple[str, ...] | Exception) -> Said:
        if isinstance(said, Exception):
            return Unresolved(f"{host}: {getattr(said, 'strerror', None) or said}")
        if not said:
            return Unresolved(f"{host} has no address")
        if _canonical(host) not in self._hosts:
            try:
                for address in said:
                    self._check(host, ip_address(address))
            except Refused as refusal:
                return refusal
        return said

    def _keep(self, host: str, said: Said, standing: Standing) -> Said:
        now = self._now()
        self._answers.pop(host, None)  # the newest last, so that the first is the oldest
        self._answers[host] = _Answer(said, standing, until=now + self._ttl, grace=now + self._grace)
        if len(self._answers) > self._cache_size:
            del self._answers[next(iter(self._answers))]
        return said

    def _last(self, host: str) -> Said | None:
        """The last good answer, in use again until the host is next to be asked about or its grace ends."""
        now = self._now()
        answer = self._answers.get(host)
        if answer is None or not _stands_in(answer, now):
            return None
        answer.until = min(now + self._ttl, answer.grace)
        return answer.said

    def _check(self, host: str, address: IPAddress) -> None:
        reason = classify(address)
        if reason is None or reason in self._lifted:
            return
        if any(address in network for network in self._networks):
            return
        shown = host if host == str(address) else f"{host} ({address})"
        raise Refused(f"{shown} is not for callbacks: {reason}")


def _stands_in(answer: _Answer | None, now: float) -> bool:
    return answer is not None and isinstance(answer.said, tuple) and now <= answer.grace


def _addresses(said: Said) -> tuple[str, ...]:
    if isinstance(said, tuple):
        return said
    raise type(said)(said.reason)  # anew: callers share what was said, not each other's tracebacks


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
