"""Which addresses callbacks reach, in every disguise."""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tidings.callbacks.guard import (
    GLOBAL_UNICAST,
    NAT64,
    SPECIAL,
    Guard,
    Network,
    Reason,
    Refused,
    Unresolved,
    classify,
)

SPECIAL_ADDRESSES: dict[Reason, str] = {
    Reason.LOOPBACK: "127.0.0.1 127.0.0.53 127.255.255.255 ::1",
    Reason.PRIVATE: "10.0.0.0 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255"
    " 100.64.0.1 100.127.255.255 fc00::1 fd12:3456:789a::1 fdff:ffff::1 fec0::1",
    Reason.LINK_LOCAL: "169.254.0.1 169.254.255.255 fe80::1 febf::1 fe80::1%eth0",
    Reason.METADATA: "169.254.169.254 169.254.170.2 169.254.170.23 100.100.100.200 168.63.129.16"
    " 192.0.0.192 fd00:ec2::254 fd00:ec2::23 fd20:ce::254",
    Reason.MULTICAST: "224.0.0.1 239.255.255.250 ff02::1 ff0e::1",
    Reason.UNSPECIFIED: "0.0.0.0 0.1.2.3 ::",
    Reason.RESERVED: "192.0.0.1 192.0.0.170 192.88.99.1 198.18.0.1 198.19.255.255 240.0.0.1 255.255.255.255"
    " ::127.0.0.1 ::8.8.8.8 100::1 2001:2::1 2001:20::1 5f00::1 4000::1 200::1 fe00::1",
    Reason.DOCUMENTATION: "192.0.2.1 198.51.100.7 203.0.113.255 2001:db8::1 3fff::1",
    Reason.MAPPED: "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1",
    Reason.TRANSLATED: "64:ff9b:1::1 64:ff9b:1:ffff::a00:1",
}

CARRIERS: dict[str, Reason] = {
    "64:ff9b::127.0.0.1": Reason.LOOPBACK,
    "64:ff9b::10.0.0.1": Reason.PRIVATE,
    "64:ff9b::169.254.169.254": Reason.METADATA,
    "64:ff9b::0.0.0.0": Reason.UNSPECIFIED,
    "2002:7f00:1::1": Reason.LOOPBACK,
    "2002:a00:1::": Reason.PRIVATE,
    "2002:c0a8:101:1::1": Reason.PRIVATE,
    "2002:a9fe:a9fe::": Reason.METADATA,
    "2001:0:7f00:1:0:0:f7f7:f7f7": Reason.LOOPBACK,  # Teredo server 127.0.0.1, client 8.8.8.8
    "2001:0:808:808:0:0:f5ff:fffe": Reason.PRIVATE,  # server 8.8.8.8, client 10.0.0.1
    "2001:0:808:808:0:0:5601:5601": Reason.METADATA,  # client 169.254.169.254
}

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.15",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2400::1",
    "2a00::1",
    "64:ff9b::8.8.8.8",
    "2002:808:808::",
    "2001:0:808:808:0:0:fefe:fefe",
]


@pytest.mark.parametrize(
    ("address", "reason"),
    [(address, reason) for reason, addresses in SPECIAL_ADDRESSES.items() for address in addresses.split()]
    + list(CARRIERS.items()),
)
async def test_special_address_is_refused(address: str, reason: Reason) -> None:
    assert classify(ip_address(address)) is reason
    with pytest.raises(Refused, match=reason):
        await Guard().resolve(address, 80)


@pytest.mark.parametrize("address", PUBLIC)
async def test_public_address_passes(address: str) -> None:
    assert await Guard().resolve(address, 443) == (str(ip_address(address)),)


@given(st.ip_addresses(v=4))
def test_ipv4_passes_only_where_python_too_says_public(address: IPv4Address) -> None:
    assume(classify(address) is None)
    assert address.is_global
    assert not address.is_multicast


@given(st.ip_addresses(v=6))
def test_ipv6_outside_global_unicast_passes_only_through_nat64(address: IPv6Address) -> None:
    assert address in GLOBAL_UNICAST or address in NAT64 or classify(address) is not None


@given(st.sampled_from([network for network, _ in SPECIAL]), st.integers(0))
def test_no_address_of_a_special_network_passes(network: Network, offset: int) -> None:
    assert classify(network[offset % network.num_addresses]) is not None


@given(st.ip_addresses(v=4))
def test_carried_address_passes_exactly_when_it_would_alone(inner: IPv4Address) -> None:
    verdict = classify(inner)
    assert classify(IPv6Address(b"\x00\x64\xff\x9b" + bytes(8) + inner.packed)) is verdict
    assert classify(IPv6Address(b"\x20\x02" + inner.packed + bytes(10))) is verdict
    turned = bytes(octet ^ 0xFF for octet in inner.packed)
    assert classify(IPv6Address(b"\x20\x01\0\0\x08\x08\x08\x08" + bytes(4) + turned)) is verdict


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0X7F000001",
        "017700000001",
        "127.1",
        "127.0.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "127.0.0.01",
        "0",
        "0x8080808",
        "134744072",
        "2852039166",
        "0xa9.0xfe.0xa9.0xfe",
        "2130706433.",
    ],
)
async def test_address_in_disguise_is_refused_whatever_it_means(host: str) -> None:
    with pytest.raises(Refused, match="four decimal numbers"):
        await Guard(allow_private=True).resolve(host, 80)


async def test_development_reaches_loopback_and_private_networks_only() -> None:
    guard = Guard(allow_private=True)
    for address in (SPECIAL_ADDRESSES[Reason.LOOPBACK] + " " + SPECIAL_ADDRESSES[Reason.PRIVATE]).split():
        assert await guard.resolve(address, 80) == (address,)
    for reason in set(Reason) - {Reason.LOOPBACK, Reason.PRIVATE}:
        for address in SPECIAL_ADDRESSES[reason].split():
            with pytest.raises(Refused):
                await guard.resolve(address, 80)


async def test_allowed_network_passes_and_its_neighbour_does_not() -> None:
    guard = Guard(allow_networks=("10.1.0.0/16", "fd00:1::/32", "169.254.169.254"))
    assert await guard.resolve("10.1.2.3", 80) == ("10.1.2.3",)
    assert await guard.resolve("fd00:1::5", 80) == ("fd00:1::5",)
    assert await guard.resolve("169.254.169.254", 80) == ("169.254.169.254",)
    for address in ("10.2.0.1", "fd00:2::5", "169.254.169.253", "::ffff:10.1.2.3"):
        with pytest.raises(Refused):
            await guard.resolve(address, 80)


async def test_port_outside_the_list_is_refused_even_when_the_answer_is_known() -> None:
    guard = Guard(ports=frozenset({443, 8443}))
    assert await guard.resolve("8.8.8.8", 443) == guard.known("8.8.8.8", 443) == ("8.8.8.8",)
    assert guard.known("8.8.8.8", 22) is None
    with pytest.raises(Refused, match="port 22"):
        await guard.resolve("8.8.8.8", 22)


async def test_localhost_is_looked_up_and_refused() -> None:
    with pytest.raises(Refused, match=r"localhost .*loopback"):
        await Guard().resolve("localhost", 80)
    assert "127.0.0.1" in await Guard(allow_private=True).resolve("localhost", 80)
    assert "127.0.0.1" in await Guard(allow_hosts=("LOCALHOST.",)).resolve("localhost", 80)


Answer = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]]]


class Resolver:
    """Stands in for the loop's getaddrinfo, and counts."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.lookups = 0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, host: str, port: object, **_: object) -> Answer:
        self.lookups += 1
        await self.open.wait()
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 0))
            for a in self.addresses
        ]


@pytest.fixture
async def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Resolver]:
    def install(*addresses: str) -> Resolver:
        installed = Resolver(*addresses)
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", installed)
        return installed

    return install


async def test_answers_come_in_the_resolvers_order_once_each(resolver: Callable[..., Resolver]) -> None:
    resolver("2606:4700::1", "8.8.8.8", "8.8.8.8")
    assert await Guard().resolve("app.example", 443) == ("2606:4700::1", "8.8.8.8")


@pytest.mark.parametrize("bad", ["127.0.0.1", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "64:ff9b::a00:1"])
async def test_one_forbidden_answer_refuses_the_host(resolver: Callable[..., Resolver], bad: str) -> None:
    resolver("8.8.8.8", bad)
    with pytest.raises(Refused, match=r"app\.example \("):
        await Guard().resolve("app.example", 443)


async def test_hot_host_is_looked_up_once(resolver: Callable[..., Resolver]) -> None:
    counted = resolver("8.8.8.8")
    guard = Guard()
    assert guard.known("app.example", 443) is None
    await asyncio.gather(*(guard.resolve("app.example", 443) for _ in range(10)))
    await guard.resolve("app.example", 80)
    assert guard.known("app.example", 443) == ("8.8.8.8",)
    assert counted.lookups == 1


async def test_answer_is_asked_again_when_old(resolver: Callable[..., Resolver]) -> None:
    guard = Guard(ttl=-1.0)
    resolver("8.8.8.8")
    assert await guard.resolve("app.example", 443) == ("8.8.8.8",)
    assert guard.known("app.example", 443) is None
    resolver("127.0.0.1")
    with pytest.raises(Refused):
        await guard.resolve("app.example", 443)


async def test_no_such_host_is_unresolved_and_remembered(resolver: Callable[..., Resolver]) -> None:
    counted = resolver()
    guard = Guard()
    for _ in range(3):
        with pytest.raises(Unresolved, match=r"app\.example: Name or service not known"):
            await guard.resolve("app.example", 443)
    assert guard.known("app.example", 443) is None
    assert counted.lookups == 1


async def test_refusal_is_remembered(resolver: Callable[..., Resolver]) -> None:
    counted = resolver("10.0.0.1")
    guard = Guard()
    for _ in range(3):
        with pytest.raises(Refused, match=r"10\.0\.0\.1"):
            await guard.resolve("app.example", 443)
    assert guard.known("app.example", 443) is None
    assert counted.lookups == 1


async def test_cache_is_bounded_and_forgets_the_oldest(resolver: Callable[..., Resolver]) -> None:
    resolver("8.8.8.8")
    guard = Guard(cache_size=2)
    for host in ("a.example", "b.example", "c.example"):
        await guard.resolve(host, 80)
    assert [guard.known(f"{name}.example", 80) for name in "abc"] == [None, ("8.8.8.8",), ("8.8.8.8",)]


async def test_cancelling_one_caller_leaves_the_lookup_to_the_others(
    resolver: Callable[..., Resolver],
) -> None:
    counted = resolver("8.8.8.8")
    counted.open.clear()
    guard = Guard()
    first = asyncio.create_task(guard.resolve("app.example", 80))
    second = asyncio.create_task(guard.resolve("app.example", 80))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    counted.open.set()
    assert await second == ("8.8.8.8",)
    assert first.cancelled()
    assert counted.lookups == 1
