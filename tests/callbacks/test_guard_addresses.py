"""Every address callbacks may not reach, in every spelling, from the text of the URL to the socket.

The facts are the IANA IPv4 and IPv6 Special-Purpose Address Registries, the clouds' own documentation, and
what the resolvers and URL readers of this world make of unusual spellings.
"""

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tidings.callbacks.exchange import Kind, Request, Timeouts, TransportError
from tidings.callbacks.guard import (
    GLOBAL_UNICAST,
    NAT64,
    SPECIAL,
    Guard,
    Network,
    Reason,
    Refused,
    classify,
)
from tidings.callbacks.transport import Transport
from tidings.callbacks.url import InvalidUrl, parse_url

SPECIAL_ADDRESSES: dict[Reason, str] = {
    Reason.LOOPBACK: "127.0.0.1 127.0.0.53 127.1.2.3 127.255.255.255 ::1",
    Reason.PRIVATE: "10.0.0.0 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255"
    " 100.64.0.0 100.64.0.1 100.127.255.255"  # carrier-grade NAT, RFC 6598
    " fc00::1 fd12:3456:789a::1 fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"  # ULA, RFC 4193
    " fec0::1 feff::1",  # site-local, RFC 3879
    Reason.LINK_LOCAL: "169.254.0.0 169.254.0.1 169.254.255.255 169.254.169.253 fe80::1 febf::1",
    Reason.METADATA: "169.254.169.254"  # AWS, Azure, GCP, OCI, OpenStack, DigitalOcean, Hetzner, Vultr, IBM …
    " 169.254.170.2 169.254.170.23"  # AWS: ECS tasks, EKS pods
    " fd00:ec2::254 fd00:ec2::23 fd00:ec2::253 fd00:ec2::123"  # AWS: instances, EKS pods, DNS, time
    " 168.63.129.16"  # Azure's host, on a public address
    " 100.100.100.200 fd00:100::100:200"  # Alibaba
    " 192.0.0.192 fd00:c1::a9fe:a9fe"  # Oracle Classic, Oracle over IPv6
    " fd20:ce::254"  # GCP over IPv6
    " 169.254.42.42 fd00:42::42"  # Scaleway
    " 169.254.0.23"  # Tencent
    " fd00:a9fe:a9fe::1 fe80::a9fe:a9fe",  # Akamai, OpenStack
    Reason.MULTICAST: "224.0.0.1 224.0.0.251 232.1.1.1 239.255.255.250 ff01::1 ff02::1 ff05::2 ff0e::1 ffff::1",
    Reason.UNSPECIFIED: "0.0.0.0 0.0.0.1 0.1.2.3 0.255.255.255 ::",
    Reason.RESERVED: "192.0.0.1 192.0.0.8 192.0.0.170 192.0.0.255 192.88.99.1 240.0.0.1 254.1.1.1"
    " 255.255.255.255"  # broadcast
    " 198.18.0.1 198.19.255.255 2001:2::1"  # benchmarks, RFC 2544, RFC 5180
    " ::127.0.0.1 ::10.0.0.1 ::8.8.8.8"  # IPv4-compatible, RFC 4291 §2.5.5.1
    " 100::1 100::ffff:ffff:ffff:ffff 100:0:0:1::1"  # discard, RFC 6666; dummy, RFC 9780
    " 2001:1::1 2001:3::1 2001:10::1 2001:20::1 2001:1ff::1"  # IETF protocol assignments, RFC 2928
    " 5f00::1 4000::1 200::1 fe00::1",  # segment routing, RFC 9602; outside of what IANA has given out
    Reason.DOCUMENTATION: "192.0.2.1 198.51.100.7 203.0.113.255 2001:db8::1 2001:db8:ffff::1 3fff::1 3fff:fff::1",
    Reason.MAPPED: "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0.0.0.0 ::ffff:8.8.8.8"
    " ::ffff:0:127.0.0.1 ::ffff:0:10.0.0.1 ::ffff:0:8.8.8.8",
    Reason.TRANSLATED: "64:ff9b:1::1 64:ff9b:1::7f00:1 64:ff9b:1:ffff::a00:1",
}

CARRIERS: dict[str, Reason] = {
    # NAT64
    "64:ff9b::127.0.0.1": Reason.LOOPBACK,
    "64:ff9b::10.0.0.1": Reason.PRIVATE,
    "64:ff9b::172.16.0.1": Reason.PRIVATE,
    "64:ff9b::192.168.1.1": Reason.PRIVATE,
    "64:ff9b::100.64.0.1": Reason.PRIVATE,
    "64:ff9b::169.254.1.1": Reason.LINK_LOCAL,
    "64:ff9b::169.254.169.254": Reason.METADATA,
    "64:ff9b::168.63.129.16": Reason.METADATA,
    "64:ff9b::224.0.0.1": Reason.MULTICAST,
    "64:ff9b::0.0.0.0": Reason.UNSPECIFIED,
    "64:ff9b::255.255.255.255": Reason.RESERVED,
    # 6to4
    "2002:7f00:1::1": Reason.LOOPBACK,
    "2002:a00:1::": Reason.PRIVATE,
    "2002:ac10:1::": Reason.PRIVATE,
    "2002:c0a8:101:1::1": Reason.PRIVATE,
    "2002:a9fe:a9fe::": Reason.METADATA,
    "2002:e000:1::": Reason.MULTICAST,
    "2002::": Reason.UNSPECIFIED,
    # Teredo: server, flags, port, client with its bits turned over
    "2001:0:7f00:1:0:0:f7f7:f7f7": Reason.LOOPBACK,  # server 127.0.0.1, client 8.8.8.8
    "2001:0:808:808:0:0:80ff:fffe": Reason.LOOPBACK,  # server 8.8.8.8, client 127.0.0.1
    "2001:0:808:808:0:0:f5ff:fffe": Reason.PRIVATE,  # client 10.0.0.1
    "2001:0:808:808:0:0:5601:5601": Reason.METADATA,  # client 169.254.169.254
    "2001::": Reason.UNSPECIFIED,
}

GUARDED: list[tuple[str, Reason]] = [
    (address, reason) for reason, addresses in SPECIAL_ADDRESSES.items() for address in addresses.split()
] + list(CARRIERS.items())

PUBLIC = {
    "beside what is special": "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0"
    " 168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0"
    " 192.0.3.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255"
    " 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 2000::1 2001:200::1 2001:db7::1 2001:db9::1 2003::1"
    " 3ffe::1",
    "well known": "1.1.1.1 8.8.8.8 9.9.9.9 2606:4700:4700::1111 2001:4860:4860::8888 2620:fe::fe 2400:cb00::1"
    " 2a00:1450:4001::1",
    # AS112 (RFC 7534, 7535), AMT (RFC 7450)
    "registered as special, and reached from everywhere": "192.31.196.1 192.52.193.1 192.175.48.1 2620:4f:8000::1",
    "NAT64 of public ones": "64:ff9b::8.8.8.8 64:ff9b::1.1.1.1 64:ff9b::128.0.0.1",
    "6to4 of public ones": "2002:808:808:: 2002:101:101::1",
    "Teredo of public ones": "2001:0:808:808:0:0:fefe:fefe",
}
PUBLIC_ADDRESSES = [address for addresses in PUBLIC.values() for address in addresses.split()]


class Door:
    """Listens wherever the spellings of loopback lead, and tells whether anybody came."""

    def __init__(self) -> None:
        self.sockets = [socket.create_server(("0.0.0.0", 0))]
        self.port = self.sockets[0].getsockname()[1]
        with contextlib.suppress(OSError):  # no IPv6 on this machine
            self.sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for listening in self.sockets:
            listening.setblocking(False)

    def visited(self) -> bool:
        """A connection on one machine is in the listener's queue when it is made."""
        for listening in self.sockets:
            try:
                listening.accept()[0].close()
            except BlockingIOError:
                continue
            return True
        return False


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    for listening in door.sockets:
        listening.close()


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    guard = Guard()
    transport = _transport(guard)
    yield transport
    await transport.close()
    guard.close()


def _transport(guard: Guard) -> Transport:
    return Transport(guard, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))  # the default takes long to make


async def _refusal(transport: Transport, text: str) -> str:
    """Why nothing is sent to a URL, by its spelling or by the guard."""
    try:
        url = parse_url(text)
    except InvalidUrl as invalid:
        return str(invalid)
    with pytest.raises(TransportError) as refused:
        await transport.send(Request("POST", url, body=b"a=1", timeouts=Timeouts(0.5, 0.5, 0.5)))
    assert (refused.value.kind, refused.value.code) == (Kind.GUARDED, 11200)
    assert refused.value.connected is None
    return refused.value.detail


# Addresses


@pytest.mark.parametrize(("address", "reason"), GUARDED)
async def test_special_address_is_refused(door: Door, transport: Transport, address: str, reason: Reason) -> None:
    assert classify(ip_address(address)) is reason
    with pytest.raises(Refused, match=reason):
        Guard().check(address)
    shown = f"[{address}]" if ":" in address else address
    assert reason in await _refusal(transport, f"http://{shown}:{door.port}/cb")
    assert reason in await _refusal(transport, f"https://{shown}:{door.port}/cb")
    assert not door.visited()


@pytest.mark.parametrize(("address", "reason"), [*GUARDED, ("fe80::1%lo", Reason.LINK_LOCAL)])
async def test_name_with_a_special_address_is_refused(door: Door, address: str, reason: Reason) -> None:
    answers = {
        "alone.example": (address,),
        "last.example": ("8.8.8.8", address),
        "first.example": (address, "8.8.8.8"),
    }
    guard = Guard(lookup=answers.__getitem__)
    transport = _transport(guard)
    for host in answers:
        detail = await _refusal(transport, f"http://{host}:{door.port}/cb")
        assert detail == f"{host} ({ip_address(address)}) is not for callbacks: {reason}"
    await transport.close()
    guard.close()
    assert not door.visited()


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
async def test_public_address_passes(address: str) -> None:
    usual = str(ip_address(address))
    assert await Guard().resolve(address, 443) == (usual,)
    Guard().check(address)
    guard = Guard(lookup=lambda _: (usual, "8.8.4.4"))
    assert await guard.resolve("app.example", 443) == (usual, "8.8.4.4")
    guard.close()


def test_the_tables_are_as_long_as_they_claim() -> None:
    assert len(dict(GUARDED)) == len(GUARDED) >= 100
    assert len(set(PUBLIC_ADDRESSES)) == len(PUBLIC_ADDRESSES) >= 30
    assert {reason for _, reason in GUARDED} == set(Reason)


# Spellings. {port} is the door's; what is refused as "loopback" or "unspecified" would have come through it


FOUR = "four decimal numbers"
ENCODE = "percent-encode it"
NO_NAME = "is not a host name"
UNREADABLE = "does not read as https://host/path"

SPELLINGS: list[tuple[str, str]] = [
    # Decimal, octal, hexadecimal and short, as inet_aton reads them
    ("http://2130706433:{port}/", FOUR),
    ("http://2130706433.:{port}/", FOUR),
    ("http://0x7f000001:{port}/", FOUR),
    ("http://0X7F000001:{port}/", FOUR),
    ("http://0x7f.1:{port}/", FOUR),
    ("http://0x7f.0.0.1:{port}/", FOUR),
    ("http://0x7f.0x0.0x0.0x1:{port}/", FOUR),
    ("http://0x0000000007f.0.0.1:{port}/", FOUR),
    ("http://0177.0.0.1:{port}/", FOUR),
    ("http://0177.0x0.0.1:{port}/", FOUR),
    ("http://00000177.0.0.1:{port}/", FOUR),
    ("http://017700000001:{port}/", FOUR),
    ("http://127.1:{port}/", FOUR),
    ("http://127.0.1:{port}/", FOUR),
    ("http://127.0.0.01:{port}/", FOUR),
    ("http://127.0.0.0x1:{port}/", FOUR),
    ("http://127.000.000.001:{port}/", FOUR),
    ("http://127.65535:{port}/", FOUR),
    ("http://383.0.0.1:{port}/", FOUR),  # 127, one lap later
    ("http://4294967297:{port}/", FOUR),  # 1, one lap later
    ("http://2852039166:{port}/", FOUR),  # 169.254.169.254
    ("http://0xa9fea9fe:{port}/", FOUR),
    ("http://0251.0376.0251.0376:{port}/", FOUR),
    ("http://0xa9.0xfe.0xa9.0xfe:{port}/", FOUR),
    ("http://0:{port}/", FOUR),
    ("http://00:{port}/", FOUR),
    ("http://0x0:{port}/", FOUR),
    ("http://0x:{port}/", FOUR),
    ("http://app.example.0x7f000001:{port}/", FOUR),
    # The usual, dressed up
    ("http://127.0.0.1.:{port}/", Reason.LOOPBACK),
    ("HTTP://127.0.0.1:{port}/", Reason.LOOPBACK),
    ("http://127.0.0.1:{port}", Reason.LOOPBACK),
    ("http://127.0.0.1:{port}?@good.example/", Reason.LOOPBACK),
    ("http://127.0.0.1:{port}#@good.example/", Reason.LOOPBACK),
    ("http://127.0.0.1:{port}/\\@good.example/", Reason.LOOPBACK),
    ("http://0.0.0.0:{port}/", Reason.UNSPECIFIED),
    ("http://127.0.0.1..:{port}/", NO_NAME),
    ("http://.127.0.0.1:{port}/", NO_NAME),
    ("http://127..0.0.1:{port}/", NO_NAME),
    # IPv6
    ("http://[::1]:{port}/", Reason.LOOPBACK),
    ("http://[0:0:0:0:0:0:0:1]:{port}/", Reason.LOOPBACK),
    ("http://[0000:0000:0000:0000:0000:0000:0000:0001]:{port}/", Reason.LOOPBACK),
    ("http://[::0:0.0.0.1]:{port}/", Reason.LOOPBACK),
    ("http://[::]:{port}/", Reason.UNSPECIFIED),
    ("http://[0::0]:{port}/", Reason.UNSPECIFIED),
    ("http://[::ffff:127.0.0.1]:{port}/", Reason.MAPPED),
    ("http://[::ffff:7f00:1]:{port}/", Reason.MAPPED),
    ("http://[::FFFF:7F00:1]:{port}/", Reason.MAPPED),
    ("http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/", Reason.MAPPED),
    ("http://[::ffff:0:0]:{port}/", Reason.MAPPED),
    ("http://[::ffff:0:7f00:1]:{port}/", Reason.MAPPED),
    ("http://[::7f00:1]:{port}/", Reason.RESERVED),
    ("http://[64:ff9b::7f00:1]:{port}/", Reason.LOOPBACK),
    ("http://[64:FF9B:0:0:0:0:7F00:1]:{port}/", Reason.LOOPBACK),
    ("http://[FE80::1]:{port}/", Reason.LINK_LOCAL),
    ("http://[FD00:EC2::254]:{port}/", Reason.METADATA),
    ("http://[::1%25lo]:{port}/", "zone"),
    ("http://[::1%lo]:{port}/", "zone"),
    ("http://[fe80::1%25eth0]:{port}/", "zone"),
    ("http://[::ffff:127.0.0.01]:{port}/", "not an IPv6 address"),
    ("http://[127.0.0.1]:{port}/", "not an IPv6 address"),
    ("http://[localhost]:{port}/", "not an IPv6 address"),
    ("http://[%3a%3a1]:{port}/", "not an IPv6 address"),
    ("http://[v1.127]:{port}/", "not an IPv6 address"),
    ("http://[::1]x:{port}/", UNREADABLE),
    ("http://::1:{port}/", "no host"),
    # Names
    ("http://localhost:{port}/", Reason.LOOPBACK),
    ("http://LOCALHOST:{port}/", Reason.LOOPBACK),
    ("http://LocalHost:{port}/", Reason.LOOPBACK),
    ("http://localhost..:{port}/", NO_NAME),
    # Other digits, dots and letters that name preparation makes ASCII of (UTS 46)
    ("http://\uff11\uff12\uff17.0.0.1:{port}/", ENCODE),  # full-width digits
    ("http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460:{port}/", ENCODE),  # enclosed digits
    ("http://\U0001d7cf\U0001d7d0\U0001d7d5.0.0.1:{port}/", ENCODE),  # mathematical bold digits
    ("http://\u0661\u0662\u0667.0.0.1:{port}/", ENCODE),  # Arabic-Indic digits
    ("http://127\u30020\u30020\u30021:{port}/", ENCODE),  # ideographic full stops
    ("http://127\uff0e0\uff0e0\uff0e1:{port}/", ENCODE),  # full-width full stops
    ("http://127\uff610\uff610\uff611:{port}/", ENCODE),  # half-width full stops
    ("http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3:{port}/", ENCODE),  # enclosed letters
    ("http://\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54:{port}/", ENCODE),  # full-width letters
    ("http://localho\u017ft:{port}/", ENCODE),  # long s
    ("http://local\u00adhost:{port}/", ENCODE),  # soft hyphen
    ("http://127.0.0.\u200b1:{port}/", ENCODE),  # zero-width space
    ("http://[::\uff11]:{port}/", ENCODE),
    # Percent-encoded
    ("http://127%2e0%2e0%2e1:{port}/", NO_NAME),
    ("http://127%2E0.0.1:{port}/", NO_NAME),
    ("http://%31%32%37.0.0.1:{port}/", NO_NAME),
    ("http://%6c%6fcalhost:{port}/", NO_NAME),
    ("http://127.0.0.1%00.good.example:{port}/", NO_NAME),
    ("http://127.0.0.1%2f.good.example:{port}/", NO_NAME),
    ("http://localhost%23.good.example:{port}/", NO_NAME),
    # Userinfo, and what else tells readers apart
    ("http://good.example@127.0.0.1:{port}/", Reason.LOOPBACK),
    ("https://good.example@127.0.0.1:{port}/", Reason.LOOPBACK),
    ("http://good.example:80@127.0.0.1:{port}/", Reason.LOOPBACK),
    ("http://good.example%40@127.0.0.1:{port}/", Reason.LOOPBACK),
    ("http://good.example%2f@localhost:{port}/", Reason.LOOPBACK),
    ("http://good.example;@[::1]:{port}/", Reason.LOOPBACK),
    ("http://@127.0.0.1:{port}/", Reason.LOOPBACK),
    ("http://:@127.0.0.1:{port}/", Reason.LOOPBACK),
    ("http://good.example@good.example@127.0.0.1:{port}/", UNREADABLE),
    ("http://good.example\\@127.0.0.1:{port}/", UNREADABLE),
    ("http://127.0.0.1:{port}\\@good.example/", UNREADABLE),
    ("http:\\\\127.0.0.1:{port}/", UNREADABLE),
    ("http:/127.0.0.1:{port}/", UNREADABLE),
    ("http:127.0.0.1:{port}/", UNREADABLE),
    ("http:///127.0.0.1:{port}/", "no host"),
    ("//127.0.0.1:{port}/", UNREADABLE),
    ("127.0.0.1:{port}/", UNREADABLE),
    ("http://127.0.0.1:80:{port}/", "port"),
    ("http://127.0.0.1:{port}@good.example:x/", "port"),
    (" http://127.0.0.1:{port}/", ENCODE),
    ("http:// 127.0.0.1:{port}/", ENCODE),
    ("http://127.0.0.1 .good.example:{port}/", ENCODE),
    ("http://127.0.\t0.1:{port}/", ENCODE),
    ("http://127.0.\n0.1:{port}/", ENCODE),
    ("ht\ntp://127.0.0.1:{port}/", ENCODE),
    ("http://127.0.0.1\0.good.example:{port}/", ENCODE),
    ("http://good.example\r\nHost: 127.0.0.1:{port}/", ENCODE),
    # Other ways than HTTP
    ("file:///etc/passwd", "only http and https"),
    ("gopher://127.0.0.1:{port}/_GET%20/", "only http and https"),
    ("ftp://127.0.0.1:{port}/", "only http and https"),
    ("dict://127.0.0.1:{port}/", "only http and https"),
    ("jar:http://127.0.0.1:{port}/!/", UNREADABLE),
    ("unix:/var/run/docker.sock", UNREADABLE),
]


@pytest.mark.parametrize(("text", "why"), SPELLINGS, ids=lambda value: ascii(value))
async def test_spelling_leads_nowhere(door: Door, transport: Transport, text: str, why: str) -> None:
    assert why in await _refusal(transport, text.replace("{port}", str(door.port)))
    assert not door.visited()


@pytest.mark.parametrize("host", ["localhost.", "LOCALHOST.", "app.localhost"])
async def test_name_of_this_machine_leads_nowhere_whether_the_resolver_knows_it(
    door: Door, transport: Transport, host: str
) -> None:
    with pytest.raises(TransportError) as refused:
        await transport.send(Request("GET", parse_url(f"http://{host}:{door.port}/")))
    assert refused.value.kind in {Kind.GUARDED, Kind.DNS}
    assert not door.visited()


@pytest.mark.parametrize(
    "text",
    [
        "http://good.example/@127.0.0.1/",
        "http://good.example?@127.0.0.1/",
        "http://good.example#@127.0.0.1/",
        "http://good.example/\\127.0.0.1/",
        "http://127.0.0.1@good.example/",
        "http://127.0.0.1:80@good.example/",
        "http://localhost%2f@good.example/",
        "http://good.example/?url=http://127.0.0.1/",
    ],
)
def test_address_beside_the_host_is_not_the_host(text: str) -> None:
    assert parse_url(text).host == "good.example"


@pytest.mark.parametrize("host", ["127.0.0.1.good.example", "2130706433.good.example", "0x7f.good.example"])
async def test_name_that_begins_like_an_address_is_asked_about(host: str) -> None:
    guard = Guard(lookup=lambda asked: ("8.8.8.8",) if asked == host else ())
    assert await guard.resolve(parse_url(f"http://{host}/").host, 80) == ("8.8.8.8",)
    guard.close()


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
async def test_address_in_disguise_is_refused_by_the_guard_too_whatever_it_means(host: str) -> None:
    with pytest.raises(Refused, match=FOUR):
        await Guard(allow_private=True).resolve(host, 80)


@pytest.mark.parametrize(
    "host", ["\uff11\uff12\uff17.0.0.1", "\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021"]
)
async def test_host_that_name_preparation_makes_an_address_of_is_refused_by_the_guard_too(host: str) -> None:
    with pytest.raises(Refused, match=r"\(127\.0\.0\.1\) is not for callbacks: loopback"):
        await Guard().resolve(host, 80)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:{port}/",
        "http://127.0.0.1.:{port}/",
        "http://good.example@127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://LOCALHOST:{port}/",
    ],
)
async def test_the_door_is_open_to_whom_the_guard_lets_through(door: Door, text: str) -> None:
    guard = Guard(allow_private=True)
    transport = _transport(guard)
    request = Request("GET", parse_url(text.replace("{port}", str(door.port))), timeouts=Timeouts(5, 0.2, 5))
    with pytest.raises(TransportError) as unanswered:
        await transport.send(request)
    assert unanswered.value.kind in {Kind.READ_TIMEOUT, Kind.RESET}
    assert unanswered.value.connected is not None
    assert door.visited()
    await transport.close()
    guard.close()


# What is let through


async def test_development_reaches_loopback_and_private_networks_only() -> None:
    guard = Guard(allow_private=True)
    for address, reason in GUARDED:
        if reason in {Reason.LOOPBACK, Reason.PRIVATE}:
            assert await guard.resolve(address, 80) == (str(ip_address(address)),)
        else:
            with pytest.raises(Refused, match=reason):
                await guard.resolve(address, 80)


async def test_allowed_network_passes_and_its_neighbour_does_not() -> None:
    guard = Guard(allow_networks=("10.1.0.0/16", "fd00:1::/32", "169.254.169.254"))
    assert await guard.resolve("10.1.2.3", 80) == ("10.1.2.3",)
    assert await guard.resolve("fd00:1::5", 80) == ("fd00:1::5",)
    assert await guard.resolve("169.254.169.254", 80) == ("169.254.169.254",)
    for address in ("10.2.0.1", "fd00:2::5", "169.254.169.253", "::ffff:10.1.2.3"):
        with pytest.raises(Refused):
            await guard.resolve(address, 80)


async def test_vouched_name_may_have_any_address_and_an_address_needs_its_network() -> None:
    guard = Guard(allow_hosts=("app.internal",), lookup=lambda _: ("10.0.0.1",))
    assert await guard.resolve("APP.internal.", 80) == ("10.0.0.1",)
    for host in ("other.internal", "app.internal.example", "10.0.0.1"):
        with pytest.raises(Refused, match="private"):
            await guard.resolve(host, 80)
    guard.close()


# Whatever the address


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
