"""The simulated MMSC through the carrier, as a gateway uses it, and its deliveries through a real web server."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import httpx
import pytest
import uvicorn
from starlette.routing import Route, Router

from tests.carriers.mm7.mmsc_peer import EVERY_BYTE, PICTURE, Kept, settings, submission
from tidings.carriers.base import Accepted, Answer, Carrier, NotSent, Part, Rejected, Throttled, Uncertain
from tidings.carriers.mm7 import wire
from tidings.carriers.mm7.carrier import Mm7Carrier
from tidings.carriers.mm7.slots import Slots
from tidings.carriers.simulator import mms, mmsc
from tidings.carriers.simulator.carrier import SimulatorCarrier, SimulatorSettings
from tidings.carriers.simulator.mms import MmsSimulatorCarrier, MmsSimulatorSettings
from tidings.carriers.simulator.mmsc import Mmsc, NotDelivered
from tidings.clock import SystemClock
from tidings.model import Channel
from tidings.web import mm7
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway

TIMEOUT = 5.0


@pytest.fixture
async def carrier(kept: Kept) -> AsyncIterator[MmsSimulatorCarrier]:
    carrier = MmsSimulatorCarrier(MmsSimulatorSettings(name="mms"), SystemClock())
    await carrier.start(kept)
    yield carrier
    await carrier.stop(0.0)


async def send(carrier: Carrier, **more: object) -> Answer:
    async with asyncio.timeout(TIMEOUT):
        slot = await carrier.slot()
        return await slot.submit(submission(**more))


# --- submissions


async def test_a_message_arrives_byte_for_byte(carrier: MmsSimulatorCarrier) -> None:
    media = (PICTURE, Part("video/3gpp", os.urandom(600 * 1024), "clip.3gp"), Part("audio/amr", EVERY_BYTE, ""))
    answer = await send(carrier, media=media, validity=60)
    (taken,) = carrier.mmsc.taken
    assert answer == Accepted(taken.message_id)
    assert (taken.sender, taken.recipient, taken.text) == ("15005550006", "15551230200", "Grüße ☃")
    assert taken.parts == media


async def test_every_message_has_an_id_of_its_own(carrier: MmsSimulatorCarrier) -> None:
    answers = await asyncio.gather(*(send(carrier) for _ in range(25)))
    ids = {answer.carrier_id for answer in answers if isinstance(answer, Accepted)}
    assert len(ids) == 25
    assert {taken.message_id for taken in carrier.mmsc.taken} == ids


@pytest.mark.parametrize(
    ("digits", "answer"),
    [
        ("0404", Rejected(30005, True, "2003 Address not found")),
        ("0413", Rejected(30007, True, "2004 Multimedia content refused")),
        ("0429", Throttled(1.0, "3100 Throughput exceeded")),
        ("0500", Rejected(30008, True, "3002 Message rejected")),
    ],
)
async def test_numbers_that_are_refused_always_are(
    carrier: MmsSimulatorCarrier, digits: str, answer: Answer
) -> None:
    assert await send(carrier, recipient=f"+1555123{digits}") == answer
    assert not carrier.mmsc.taken
    assert carrier.up


async def test_a_number_that_is_busy_takes_the_fourth(
    carrier: MmsSimulatorCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Slots, "slow", lambda *_: None)  # the carrier would take its time
    answers = [await send(carrier, recipient="+15551230429") for _ in range(8)]
    assert [type(answer) for answer in answers] == [Throttled, Throttled, Throttled, Accepted] * 2
    assert carrier.mmsc.submitted == 8


async def test_a_number_that_hangs_up_leaves_doubt(carrier: MmsSimulatorCarrier) -> None:
    assert isinstance(await send(carrier, recipient="+15551230503"), Uncertain)
    assert carrier.mmsc.submitted == 1


async def test_a_number_that_never_answers_leaves_doubt(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mms, "TIMEOUT", 0.2)
    carrier = MmsSimulatorCarrier(MmsSimulatorSettings(name="mms"), SystemClock())
    await carrier.start(kept)
    assert await send(carrier, recipient="+15551230504") == Uncertain("no answer in time")
    await asyncio.wait_for(carrier.stop(0.0), TIMEOUT)


async def test_what_the_gateway_is_told_of_it(carrier: MmsSimulatorCarrier) -> None:
    assert carrier.channels == {Channel.MMS}
    assert carrier.capacity == 10
    assert carrier.key("1") == "1"
    (await asyncio.wait_for(carrier.slot(), TIMEOUT)).release()
    slot = carrier.slot_now()
    assert slot is not None
    slot.release()


async def test_a_stopped_one_takes_nothing_more(kept: Kept) -> None:
    carrier = MmsSimulatorCarrier(MmsSimulatorSettings(name="mms"), SystemClock())
    await carrier.start(kept)
    await send(carrier)
    await carrier.stop(TIMEOUT)
    assert not carrier.up
    assert carrier.slot_now() is None


@asynccontextmanager
async def an_mmsc(user: str = "", password: str = "") -> AsyncIterator[tuple[Mmsc, str]]:
    centre = Mmsc(user=user, password=password)
    port = await centre.start()
    yield centre, f"http://127.0.0.1:{port}/mm7"
    await centre.stop()


async def test_an_mmsc_lets_in_who_knows_its_password(kept: Kept) -> None:
    async with an_mmsc(user="us", password="right") as (centre, url):
        for password, answer in (("wrong", NotSent), ("right", Accepted)):
            carrier = Mm7Carrier(settings(url=url, user="us", password=password))
            await carrier.start(kept)
            assert isinstance(await send(carrier), answer)
            await carrier.stop(0.0)
        assert len(centre.taken) == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (("<VASPID>us</VASPID>", ""), 4004),
        (("<SenderAddress><Number>15005550006</Number></SenderAddress>", ""), 4004),
        (("<To><Number>15551230200</Number></To>", ""), 2002),
        (("</Number></To>", "</Number><Number>15551230201</Number></To>"), 2002),
        (("SubmitReq", "CancelReq"), 4003),
        (("<SubmitReq", "<!DOCTYPE a><SubmitReq"), 4004),
    ],
)
async def test_an_mmsc_checks_what_it_is_sent(changed: tuple[str, str], code: int) -> None:
    content_type, body = wire.submit_request(submission(), settings(), "t-1")
    old, new = (each.encode() for each in changed)
    assert old in body
    async with an_mmsc() as (centre, url), httpx.AsyncClient() as http:
        response = await http.post(url, content=body.replace(old, new), headers={"Content-Type": content_type})
        envelope = wire.read(response.headers["Content-Type"], response.content)
        assert (response.status_code, wire.status(envelope).code, envelope.operation) == (500, code, "Fault")
        assert not centre.taken


async def test_an_mmsc_wants_content() -> None:
    async with an_mmsc() as (_, url), httpx.AsyncClient() as http:
        _, body = wire.submit_request(submission(), settings(), "t-1")
        document = body[body.index(b"<soap-env:Envelope") : body.index(b"</soap-env:Envelope>")]
        response = await http.post(url, content=document + b"</soap-env:Envelope>")
        assert wire.status(wire.read("text/xml", response.content)).code == 4004


async def test_an_mmsc_is_a_web_server_like_any() -> None:
    async with an_mmsc() as (_, url), httpx.AsyncClient() as http:
        assert (await http.get(url)).status_code == 404
        assert (await http.post(url + "/elsewhere", content=b"")).status_code == 404

        async def pieces() -> AsyncIterator[bytes]:  # a body in chunks, after 100 Continue
            yield b"not "
            yield b"XML"

        response = await http.post(url, content=pieces(), headers={"Expect": "100-continue"})
        assert wire.status(wire.read("text/xml", response.content)).code == 4004


async def test_what_is_no_http_is_cut_off() -> None:
    async with an_mmsc() as (_, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
        writer.write(b"\x16\x03\x01 this is TLS\r\n\r\n")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), TIMEOUT)
        writer.close()


async def test_what_was_taken_is_remembered_up_to_a_bound(
    carrier: MmsSimulatorCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mmsc, "REMEMBERED", 3)
    for number in range(5):
        await send(carrier, text=str(number), media=())
    assert [taken.text for taken in carrier.mmsc.taken] == ["2", "3", "4"]
    monkeypatch.setattr(mmsc, "REMEMBERED_BYTES", 2500)
    for number in range(4):
        await send(carrier, text=str(number), media=(Part("a/b", bytes(1000), ""),))
    assert [taken.text for taken in carrier.mmsc.taken] == ["2", "3"]


# --- deliveries


class Behind:
    """As much of a gateway as the route needs."""

    def __init__(self, *carriers: Carrier) -> None:
        self.carriers = {carrier.name: carrier for carrier in carriers}


@asynccontextmanager
async def site(*carriers: Carrier) -> AsyncIterator[str]:
    """A web server with the route; its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    app = Router(mm7.routes(cast(Gateway, Behind(*carriers)), cast(Authenticator, None)))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve([listening]))
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await serving


async def test_a_handset_s_message_reaches_the_gateway(carrier: MmsSimulatorCarrier, kept: Kept) -> None:
    async with site(carrier) as url:
        carrier.serve_at(url)
        media = [PICTURE, Part("video/3gpp", os.urandom(600 * 1024), "clip.3gp")]
        await carrier.receive("+15551230000", "+15005550006", "Grüße ☃", media, "Look")
    (message,) = kept.media
    assert (message.source, message.destination) == ("15551230000", "15005550006")
    assert (message.text, message.subject, message.parts) == ("Grüße ☃", "Look", tuple(media))


async def test_what_the_gateway_does_not_keep_is_not_delivered(carrier: MmsSimulatorCarrier, kept: Kept) -> None:
    kept.failing = True
    async with site(carrier) as url:
        carrier.serve_at(url)
        with pytest.raises(NotDelivered, match="HTTP 500: Fault 4006"):
            await carrier.receive("+15551230000", "+15005550006", "hi")


async def test_an_mmsc_with_another_password_delivers_nothing(carrier: MmsSimulatorCarrier, kept: Kept) -> None:
    other = MmsSimulatorCarrier(MmsSimulatorSettings(name="mms"), SystemClock())
    async with site(carrier) as url:
        other.serve_at(url)
        with pytest.raises(NotDelivered, match="HTTP 401"):
            await other.receive("+15551230000", "+15005550006", "hi")
    assert kept.media == []


async def test_nothing_is_delivered_to_nowhere(carrier: MmsSimulatorCarrier) -> None:
    with pytest.raises(NotDelivered, match="nobody has said"):
        await carrier.receive("+15551230000", "+15005550006", "hi")
    carrier.serve_at("http://127.0.0.1:1")
    with pytest.raises(NotDelivered, match="ConnectError"):
        await carrier.receive("+15551230000", "+15005550006", "hi")


async def test_a_carrier_of_real_mmscs_takes_deliveries_too(kept: Kept) -> None:
    real = Mm7Carrier(settings(name="a b"))
    await real.start(kept)
    centre = Mmsc()
    async with site(real) as url:
        centre.vasp = mmsc.Vasp(f"{url}/carriers/a%20b/mm7", "mmsc", "let me in")
        await centre.inbound("12345", "+15005550006", parts=[PICTURE])
    assert [(message.source, message.parts) for message in kept.media] == [("12345", (PICTURE,))]
    await real.stop(0.0)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/carriers/mms/mm7", 401),
        ("GET", "/carriers/mms/mm7", 405),
        ("HEAD", "/carriers/mms/mm7", 405),
        ("POST", "/carriers/nobody/mm7", 404),
        ("POST", "/carriers/smpp/mm7", 404),
    ],
)
async def test_the_route_has_one_door(carrier: MmsSimulatorCarrier, method: str, path: str, status: int) -> None:
    other = SimulatorCarrier(SimulatorSettings(name="smpp"), SystemClock(), None)
    async with site(carrier, other) as url, httpx.AsyncClient() as http:
        response = await http.request(method, url + path, content=b"x" * 100)
        assert response.status_code == status
        assert response.headers["Content-Length"].isdigit()
        if status == 405:
            assert response.headers["Allow"] == "POST"
        if status == 401:
            assert response.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_delivery_has_a_limit(
    carrier: MmsSimulatorCarrier, kept: Kept, monkeypatch: pytest.MonkeyPatch, chunked: bool
) -> None:
    monkeypatch.setattr(mm7, "MAX_BODY", 10_000)
    async with site(carrier) as url, httpx.AsyncClient() as http:
        carrier.serve_at(url)
        vasp = carrier.mmsc.vasp
        assert vasp is not None
        given = wire.deliver_request("1", "2", "", "", [Part("a/b", bytes(10_000), "")], "t-1", settings().schema)

        async def pieces() -> AsyncIterator[bytes]:
            yield given[1]

        response = await http.post(
            vasp.url,
            content=pieces() if chunked else given[1],
            headers={"Content-Type": given[0]},
            auth=(vasp.user, vasp.password),
        )
        assert response.status_code == 413
    assert kept.media == []


async def test_of_strangers_no_body_is_read(carrier: MmsSimulatorCarrier) -> None:
    """The answer comes while most of the body has yet to be sent."""
    async with site(carrier) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
        writer.write(b"POST /carriers/mms/mm7 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx")
        first = await asyncio.wait_for(reader.readline(), TIMEOUT)
        assert first == b"HTTP/1.1 401 Unauthorized\r\n"
        writer.close()


async def test_who_goes_away_in_the_middle_delivers_nothing(carrier: MmsSimulatorCarrier, kept: Kept) -> None:
    sent: list[object] = []

    async def send_(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    headers = [(b"authorization", b"Basic bW1zYzpsZXQgbWUgaW4=")]
    real = Mm7Carrier(settings())
    (route,) = mm7.routes(cast(Gateway, Behind(real)), cast(Authenticator, None))
    scope = {"type": "http", "method": "POST", "path_params": {"name": "mms"}, "headers": headers}
    assert isinstance(route, Route)
    await route.app(scope, receive, send_)
    assert sent == []
