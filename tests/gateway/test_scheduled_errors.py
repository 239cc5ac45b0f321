"""What lets a scheduled message fail that only a change of the operator's can bring about."""

from typing import TYPE_CHECKING

from tests.gateway.application import SENDER
from tests.gateway.test_schedule import HOUR, scheduled
from tests.gateway.test_services import service
from tidings.clock import SECOND
from tidings.gateway.routes import Route
from tidings.lifecycle import Status

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench


async def test_a_sender_that_is_gone_meanwhile_lets_it_fail(bench: "Bench") -> None:
    _, site = await bench.pair()
    pool = await service(site, SENDER)
    at = site.gateway.clock.now() + HOUR * SECOND
    message = await site.send(service=pool, deferred=True, send_at=at)
    await site.store.drop_sender(SENDER)
    bench.wind(HOUR)
    assert (await site.until(message, Status.FAILED)).error == 21606


async def test_a_recipient_that_no_route_leads_to_any_more_lets_it_fail(bench: "Bench") -> None:
    centre, site = await bench.pair()
    message = await scheduled(site, await service(site, SENDER))
    carrier = bench.smpp(centre)
    elsewhere = await bench.site(carrier, routes=[Route("+44", (carrier.name,))], path=await bench.crash(site))
    bench.wind(HOUR)
    assert (await elsewhere.until(message, Status.FAILED)).error == 21612
