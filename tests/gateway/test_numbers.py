"""The numbers that always behave the same, through the whole gateway: what a newcomer sees who tries them."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tidings.carriers.simulator.carrier import SimulatorCarrier, SimulatorSettings
from tidings.lifecycle import Kind, Status

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site


def simulator(site: "Site") -> SimulatorCarrier:
    carrier = site.gateway.carriers["simulator"]
    assert isinstance(carrier, SimulatorCarrier)
    return carrier


@pytest.mark.parametrize(
    ("digits", "statuses", "error"),
    [
        ("0200", ["sent", "delivered"], None),
        ("1234", ["sent", "delivered"], None),
        ("0206", ["sent", "delivered"], None),
        ("0208", ["sent", "delivered"], None),
        ("0409", ["sent", "delivered"], None),
        ("0425", ["sent", "delivered"], None),
        ("0403", ["sent", "undelivered"], 30004),
        ("0404", ["sent", "undelivered"], 30005),
        ("0408", ["sent", "undelivered"], 30003),
        ("0500", ["failed"], 30008),
    ],
)
async def test_a_number_ends_as_documented(
    bench: "Bench", digits: str, statuses: list[str], error: int | None
) -> None:
    site = await bench.site(SimulatorSettings(name="simulator"))
    message = await site.send("+1555123" + digits)
    await bench.app.hears(message, *statuses)
    standing = await site.standing(message)
    assert (standing.status, standing.error) == (statuses[-1], error)
    assert simulator(site).smsc.counts.submitted == 1


async def test_a_number_without_receipts_stays_sent(bench: "Bench") -> None:
    site = await bench.site(SimulatorSettings(name="simulator"))
    message = await site.send("+15551230202")
    await bench.app.hears(message, "sent")
    await bench.app.hears(await site.send("+15551230200"), "sent", "delivered")
    assert await site.status(message) is Status.SENT


async def test_receipts_that_say_the_same_or_the_opposite_are_kept_and_change_nothing(bench: "Bench") -> None:
    site = await bench.site(SimulatorSettings(name="simulator"))
    thrice, contradicted = await site.send("+15551230208"), await site.send("+15551230409")
    await site.until_told(thrice, Kind.DELIVERED, 3)
    contradiction = await site.until_told(contradicted, Kind.UNDELIVERED)
    assert not contradiction.applied
    await bench.app.hears(thrice, "sent", "delivered")
    await bench.app.hears(contradicted, "sent", "delivered")


async def test_a_connection_closed_after_the_bytes_were_read_is_a_doubt_that_is_held(bench: "Bench") -> None:
    site = await bench.site(SimulatorSettings(name="simulator"))
    message = await site.send("+15551230503")
    event = await site.until_told(message, Kind.UNCERTAIN)
    assert event.detail["policy"] == "hold"
    await bench.app.hears(await site.send("+15551230200"), "sent", "delivered")
    assert await site.status(message) is Status.SENDING
    assert simulator(site).smsc.counts.submitted == 2


async def test_a_throttled_number_is_delivered_in_the_end(bench: "Bench") -> None:
    site = await bench.site(SimulatorSettings(name="simulator"))
    message = await site.send("+15551230429")
    await bench.app.hears(message, "sent", "delivered")
    assert len(await site.events(message, Kind.DEFERRED)) == 3


ODD = """
seed = 7
default = { receipts = [{ after = 0.0, stat = "ENROUTE" }, { after = 0.02, where = "tlv", via = "other" }] }

[[rule]]
match = { to_suffix = "1" }
outcome = { id = "padded", receipts = [{ after = 0.01, id = "decimal" }] }

[[rule]]
match = { to_suffix = "2" }
outcome = { id = "uuid", delay = 0.05, receipts = [{ after = 0.0, id = "upper", where = "message_payload" }] }

[[rule]]
match = { to_suffix = "3" }
outcome = { receipts = [{ after = 0.01, where = "data_sm" }] }

[[rule]]
match = { to_suffix = "4" }
outcome = { id = "upper_hex", receipts = [{ after = 0.01, where = "text", id = "decimal", tlv_overrun = true }] }

[[rule]]
match = { to_suffix = "5" }
outcome = { id = "empty", receipts = [{ after = 0.05, id = "empty", where = "text" }] }

[[rule]]
match = { to_suffix = "6" }
outcome = { tlv_overrun = true, receipts = [{ after = 0.01, esm_class = 0x20, copies = 2 }] }
"""


async def test_a_carrier_of_odd_habits_is_understood(bench: "Bench", tmp_path: Path) -> None:
    scenario = tmp_path / "odd.toml"
    scenario.write_text(ODD)
    site = await bench.site(SimulatorSettings(name="simulator", scenario=str(scenario), binds=2))
    messages = [await site.send(f"+1555123990{digit}") for digit in range(8)]
    for message in messages:
        await bench.app.hears(message, "sent", "delivered")
