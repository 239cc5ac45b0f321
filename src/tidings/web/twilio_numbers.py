"""Twilio's API over HTTP: the numbers and short codes of an account, and applications that numbers can refer to.

The composition in `app` mounts these routes. What is done with them is in `numbers`, as it is for SignalWire's API
after the model of this one; what parameters mean and how resources look is the dialect's.
"""

from functools import partial
from typing import Final

from starlette.routing import BaseRoute

from tidings.dialects.twilio import API_VERSION
from tidings.dialects.twilio_numbers import (
    APPLICATIONS,
    NUMBERS,
    PATHS,
    SHORT_CODES,
    parse_new,
    rehearsed,
)
from tidings.phone import NumberType
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.numbers import Applications, Door, Numbers, one_of
from tidings.web.twilio import caller, routes_to
from tidings.web.wire import Answer, Handler, Request

_NUMBER: Final = "IncomingPhoneNumber"


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    door = Door(partial(caller, authenticator=authenticator), Request.form)
    numbers = {type_: Numbers(gateway, door, words) for type_, words in NUMBERS.items()}
    codes = Numbers(gateway, door, SHORT_CODES)
    applications = Applications(gateway, door, APPLICATIONS)

    async def create(type_: NumberType | None, request: Request) -> Answer:
        account = await caller(request, authenticator, test_too=True)
        given = await request.form()
        wanted = parse_new(type_, given)
        return await numbers[type_].make(account, rehearsed(wanted) if account.test else wanted, given)

    paths: dict[str, tuple[str, dict[str, Handler]]] = {
        **{
            path: (_NUMBER, {"GET": numbers[type_].page, "POST": partial(create, type_)})
            for type_, path in PATHS.items()
        },
        "IncomingPhoneNumbers/{sid}": (_NUMBER, one_of(numbers[None])),
        "SMS/ShortCodes": ("ShortCode", {"GET": codes.page}),
        "SMS/ShortCodes/{sid}": ("ShortCode", {"GET": codes.fetch, "POST": codes.update}),
        "Applications": ("Application", {"GET": applications.page, "POST": applications.create}),
        "Applications/{sid}": ("Application", one_of(applications)),
    }
    root = f"/{API_VERSION}/Accounts/{{account}}"
    return [
        route for path, (noun, handlers) in paths.items() for route in routes_to(f"{root}/{path}", noun, handlers)
    ]
