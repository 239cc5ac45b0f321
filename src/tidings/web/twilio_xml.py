"""XML for whoever asks Twilio's API of 2010-04-01 without `.json`: the same handlers, told in other words.

`twilio.routes_to` adds these routes to each path of that API; `app` refuses with `refuse` where there is no path.
"""

import msgspec
from starlette.routing import BaseRoute, Route

from tidings.dialects.twilio import error_json
from tidings.dialects.twilio_xml import document
from tidings.errors import Problem
from tidings.web.wire import Answer, Endpoint, Handler, Header, Request, Stamp, refusal_headers

_XML: Header = (b"content-type", b"application/xml")


def routes_to(
    path: str, noun: str, handlers: dict[str, Handler], bare: dict[str, Handler], stamp: Stamp
) -> list[BaseRoute]:
    """The routes to `path` with `.xml`, and without, where handlers of `bare` come first."""
    named = {method: _in_xml(noun, handler) for method, handler in handlers.items()}
    unnamed = {method: _in_xml(noun, handler) for method, handler in (handlers | bare).items()}
    return [Route(f"{path}.xml", Endpoint(named, refuse, stamp)), Route(path, Endpoint(unnamed, refuse, stamp))]


def refuse(problem: Problem) -> Answer:
    return Answer(problem.http, document("RestException", error_json(problem)), [_XML, *refusal_headers(problem)])


def _in_xml(noun: str, handler: Handler) -> Handler:
    async def handle(request: Request) -> Answer:
        answer = await handler(request)
        if not answer.content:
            return answer
        headers = [header for header in answer.headers if header[0] != b"content-type"]
        return Answer(answer.status, document(noun, msgspec.json.decode(answer.content)), [_XML, *headers])

    return handle
