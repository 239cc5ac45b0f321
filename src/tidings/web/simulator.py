"""Our own API to the simulated carriers over HTTP: has a handset send a message to a number of the account.

The composition in `app` mounts the route. The message comes in on the carrier's own way, SMPP or MM7, as any
other would; there is nothing here where no carrier is simulated.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from starlette.routing import BaseRoute, Route

from tidings import phone
from tidings.carriers.base import Carrier, Part
from tidings.carriers.simulator.inbound import NoSuchSegment, Segmentation
from tidings.dialects.own_params import parse_nothing
from tidings.dialects.own_simulator import MAX_BODY, HandsetMessage, parse_handset_message
from tidings.errors import Problem
from tidings.model import Account, Channel, Direction
from tidings.store.base import MessageFilter
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.own import refuse
from tidings.web.wire import Answer, Endpoint, Request, json_answer

PATIENCE: Final = 10.0
"""Seconds until the gateway has acknowledged all segments."""
MOST_MADE: Final = 100
"""Messages of one text: as many as it may be brought in deliveries."""


@runtime_checkable
class Simulated(Carrier, Protocol):
    """A carrier whose subscribers do what they are told."""

    async def receive(
        self, source: str, destination: str, text: str, parts: Sequence[Part], *, how: Segmentation | None
    ) -> None:
        """Take a message from a handset and deliver it; the gateway has acknowledged it once this returns.

        `parts` only where the carrier has media messages, `how` only where it has texts. Raises NoSuchSegment, and
        ConnectionError where it is not acknowledged.
        """
        ...


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    simulator = _Simulator(gateway, authenticator)
    return [Route("/v1/simulator/inbound", Endpoint({"POST": simulator.inbound}, refuse))]


class _Simulator:
    def __init__(self, gateway: Gateway, authenticator: Authenticator) -> None:
        self._gateway = gateway
        self._authenticator = authenticator

    async def inbound(self, request: Request) -> Answer:
        account = await self._authenticator.account(request)
        parse_nothing(request.query())
        simulated = [carrier for carrier in self._gateway.carriers.values() if isinstance(carrier, Simulated)]
        if not simulated:
            raise Problem(20404, value=request.path, reason="no simulated carrier is configured here")
        message = parse_handset_message(await request.json(MAX_BODY))
        channel = Channel.MMS if message.media else Channel.SMS
        carrier = next((carrier for carrier in simulated if channel in carrier.channels), None)
        if carrier is None:
            raise Problem(
                20404, value=request.path, reason=f"no simulated carrier that is configured has {channel}"
            )
        owner = await self._gateway.store.sender(message.destination)
        if owner is None or owner.account != account.id:
            raise Problem(20422, name="to", value=message.destination, reason="not a number of this account")
        began = self._gateway.clock.now()
        await _receive(carrier, message)
        kept = await self._kept(account, message, began)
        return json_answer(202, {"carrier": carrier.name, "channel": channel, "messages": kept})

    async def _kept(self, account: Account, message: HandsetMessage, began: int) -> list[str]:
        """Ids of the messages that were made of it, oldest first: none where a segment is still missing."""
        where = MessageFilter(recipient=message.destination, created_from=began)
        found = await self._gateway.store.messages(account.id, where, MOST_MADE)
        return [
            one.id
            for one, _ in reversed(found)
            if one.direction is Direction.INBOUND and phone.digits(one.sender) == phone.digits(message.source)
        ]


async def _receive(carrier: Simulated, message: HandsetMessage) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            await carrier.receive(
                message.source, message.destination, message.body, message.parts, how=message.segments
            )
    except TimeoutError:
        reason = f"carrier {carrier.name}: it was not acknowledged within {PATIENCE:g} s"
        raise Problem(20503, reason=reason) from None
    except NoSuchSegment as error:
        raise Problem(20422, name="segments", reason=str(error)) from None
    except ConnectionError as error:
        raise Problem(20503, reason=f"carrier {carrier.name}: {error}") from None
