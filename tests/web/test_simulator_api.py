"""Messages that a simulated carrier's handsets send when our own API tells them to: real SMPP, real MM7."""

import asyncio
from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.description import described
from tidings.arranged import Sender
from tidings.carriers.base import Carrier, InboundMedia, InboundSegment, Part, Receipt
from tidings.carriers.simulator.carrier import SimulatorCarrier, SimulatorSettings
from tidings.carriers.simulator.inbound import Segmentation
from tidings.carriers.simulator.mms import MmsSimulatorCarrier, MmsSimulatorSettings
from tidings.carriers.smpp.carrier import SmppCarrier
from tidings.carriers.smpp.settings import SmppSettings
from tidings.clock import SystemClock
from tidings.gateway.inbound import Inbound, InboundSettings
from tidings.model import Channel, Direction, Message
from tidings.web import simulator

if TYPE_CHECKING:
    from tests.web.conftest import Site

ACCOUNT = "0a" * 16
FROM, TO, THEIRS = "+15551230200", "+15005550006", "+15005550009"
PATH = "/v1/simulator/inbound"
PICTURE = bytes(range(256)) * 1000


class Kept:
    """Where the carriers hand in what comes (carriers.base.Sink)."""

    def __init__(self, inbound: Inbound) -> None:
        self._inbound = inbound

    async def receipt(self, receipt: Receipt) -> None:
        raise AssertionError("nothing was sent")

    async def inbound(self, segment: InboundSegment) -> None:
        await self._inbound.take(segment)

    async def inbound_media(self, message: InboundMedia) -> None:
        await self._inbound.take_media(message)


@pytest.fixture
def simulated(site: "Site") -> Iterator["Site"]:
    """The site with both simulated carriers behind it."""
    clock = SystemClock()
    sms = SimulatorCarrier(SimulatorSettings(name="sim"), clock, None)
    mms = MmsSimulatorCarrier(MmsSimulatorSettings(name="sim-mms"), clock)
    mms.serve_at(site.url)
    site.carriers |= {"sim": sms, "sim-mms": mms}
    kept = Kept(
        Inbound(
            site.store,
            site.ledger,
            site.opt_outs,
            site.services,
            site.accounts,
            site.submitter,
            site.clock,
            InboundSettings(),
        )
    )
    for carrier in (sms, mms):
        site.run(carrier.start(kept))
    yield site
    for carrier in (sms, mms):
        site.run(carrier.stop(1.0))


def sent(site: "Site", **members: Any) -> Any:
    answer = site.http().post(PATH, json={"from": FROM, "to": TO, **members})
    assert answer.status_code == 202, answer.text
    return described(PATH, answer, "post")


def message(site: "Site", id: str) -> Message:
    found = site.run(site.store.message(ACCOUNT, id))
    assert found is not None
    return found[0]


def refused(site: "Site", status: int, **members: Any) -> str:
    """The reason."""
    answer = site.http().post(PATH, json={"from": FROM, "to": TO, **members})
    assert answer.status_code == status
    return str(described(PATH, answer, "post")["detail"])


def test_a_text_comes_in_over_smpp_and_is_kept_when_that_is_answered(simulated: "Site") -> None:
    told = sent(simulated, body="Grüße ☃")
    assert (told["carrier"], told["channel"]) == ("sim", "sms")
    (made,) = told["messages"]
    came = message(simulated, made)
    assert (came.direction, came.sender, came.recipient, came.body) == (Direction.INBOUND, FROM, TO, "Grüße ☃")
    (event, _) = simulated.run(simulated.store.events(made))
    assert event.detail["carrier"] == "sim"


LONG = "x" * 160 + "y" * 160
"""Three segments."""


@pytest.mark.parametrize("by", [None, "udh8", "udh16", "sar", "payload"])
def test_a_long_text_is_one_message_however_it_comes_in(simulated: "Site", by: str | None) -> None:
    (made,) = sent(simulated, body=LONG, segments=by and {"by": by})["messages"]
    came = message(simulated, made)
    assert (came.body, came.segments) == (LONG, 3)
    (event, _) = simulated.run(simulated.store.events(made))
    assert isinstance(event.detail["raw"], str) == (by == "payload")


def test_segments_come_in_the_order_that_is_asked_for_and_what_is_left_out_is_missing(
    simulated: "Site",
) -> None:
    assert sent(simulated, body=LONG, segments={"order": [3, 1, 3]})["messages"] == []
    assert sent(simulated, body="meanwhile")["messages"] != []
    simulated.clock.time += 1
    told = sent(simulated, body=LONG, segments={"by": "sar", "order": [2, 3, 1, 1]})
    assert [message(simulated, made).body for made in told["messages"]] == [LONG]


def test_a_segment_that_there_is_not_cannot_come(simulated: "Site") -> None:
    assert refused(simulated, 422, body=LONG, segments={"order": [1, 4]}).endswith(
        "segments: the text has 3 segments, and no number 4"
    )


def test_what_came_before_is_not_told_of_again(simulated: "Site") -> None:
    before = sent(simulated, body="one")["messages"]
    simulated.clock.time += 1
    assert not set(before) & set(sent(simulated, body="two")["messages"])


@pytest.mark.parametrize("source", ["12345", "TIDINGS", "+491701234567"])
def test_whoever_writes_is_kept_as_given(simulated: "Site", source: str) -> None:
    (made,) = sent(simulated, **{"from": source})["messages"]
    assert message(simulated, made).sender == source


def test_a_short_code_is_written_to(simulated: "Site") -> None:
    simulated.run(simulated.put_sender(Sender("12345", ACCOUNT)))
    (made,) = sent(simulated, to="12345", body="JOIN")["messages"]
    assert message(simulated, made).recipient == "12345"


def test_media_come_in_over_mm7(simulated: "Site") -> None:
    media = [{"content_type": "image/png", "name": "a.png", "content": b64encode(PICTURE).decode()}]
    told = sent(simulated, body="Look", media=media)
    assert (told["carrier"], told["channel"]) == ("sim-mms", "mms")
    (made,) = told["messages"]
    came = message(simulated, made)
    assert (came.sender, came.body, came.channel, came.media) == (FROM, "Look", Channel.MMS, 1)
    (medium,) = simulated.run(simulated.store.media(made))
    assert medium.content_type == "image/png"
    assert simulated.run(simulated.store.content(medium.id)) == PICTURE


def test_only_numbers_of_the_account_are_written_to(simulated: "Site") -> None:
    for address in (THEIRS, "+15005550099"):
        assert refused(simulated, 422, to=address) == (
            f"A parameter is not valid: to: {address}: not a number of this account"
        )


def test_a_body_longer_than_all_media_can_be_is_not_read(simulated: "Site") -> None:
    media = [{"content_type": "image/png", "content": b64encode(bytes(6 * 1024 * 1024)).decode()}]
    assert refused(simulated, 413, media=media).startswith("The request is too long")


def test_strangers_write_to_nobody(simulated: "Site") -> None:
    answer = simulated.http(None).post(PATH, json={"from": FROM, "to": TO})
    assert described(PATH, answer, "post")["code"] == 20003


# --- where there is no such carrier
def real() -> SmppCarrier:
    settings = SmppSettings(name="real", host="127.0.0.1", port=1, system_id="a", password="b")
    return SmppCarrier(settings, clock=SystemClock(), on_late=None)


def test_real_carriers_have_handsets_of_their_own(site: "Site") -> None:
    carrier: Carrier = real()
    site.carriers["real"] = carrier
    assert refused(site, 404).endswith(f"{PATH}: no simulated carrier is configured here")


def test_media_need_a_simulated_carrier_that_has_them(site: "Site") -> None:
    site.carriers["sim"] = SimulatorCarrier(SimulatorSettings(name="sim"), SystemClock(), None)
    media = [{"content_type": "image/png", "content": "AAAA"}]
    assert refused(site, 404, media=media).endswith("no simulated carrier that is configured has mms")


class Dead(SimulatorCarrier):
    """Whatever it is told fails."""

    failure: Exception | None = None

    async def receive(
        self,
        source: str,
        destination: str,
        text: str,
        parts: Sequence[Part] = (),
        *,
        how: Segmentation | None = None,
    ) -> None:
        if self.failure:
            raise self.failure
        await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ConnectionError("HTTP 500"), "carrier sim: HTTP 500"),
        (None, "carrier sim: it was not acknowledged within 0.05 s"),
    ],
)
def test_what_is_not_acknowledged_is_said_to_be(
    site: "Site", monkeypatch: pytest.MonkeyPatch, failure: Exception | None, reason: str
) -> None:
    monkeypatch.setattr(simulator, "PATIENCE", 0.05)
    carrier = Dead(SimulatorSettings(name="sim"), SystemClock(), None)
    carrier.failure = failure
    site.carriers["sim"] = carrier
    assert refused(site, 503).endswith(reason)
