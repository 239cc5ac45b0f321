"""SignalWire's Compatibility API over HTTP: the numbers of an account, and applications that they can refer to.

The composition in `app` mounts these routes. What is done with them is in `numbers`, as it is for Twilio's API;
what parameters mean and how resources look is the dialect's.
"""

from functools import partial

from starlette.routing import BaseRoute

from tidings.dialects.signalwire_compat_numbers import APPLICATIONS, NUMBERS, parse_new
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.numbers import Applications, Door, Numbers, one_of
from tidings.web.signalwire_compat import caller, params, refuse, routes_to
from tidings.web.wire import Answer, Endpoint, Handler, Request


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    door = Door(partial(caller, authenticator=authenticator), params)
    numbers, applications = Numbers(gateway, door, NUMBERS), Applications(gateway, door, APPLICATIONS)

    async def create(request: Request) -> Answer:
        account = await door.caller(request)
        given = await params(request)
        return await numbers.make(account, parse_new(given), given)

    paths: dict[str, dict[str, Handler]] = {
        "IncomingPhoneNumbers": {"GET": numbers.page, "POST": create},
        "IncomingPhoneNumbers/{sid}": one_of(numbers),
        "Applications": {"GET": applications.page, "POST": applications.create},
        "Applications/{sid}": one_of(applications),
    }
    return [route for path, handlers in paths.items() for route in routes_to(path, Endpoint(handlers, refuse))]
