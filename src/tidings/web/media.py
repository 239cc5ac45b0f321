"""The content of media, for whoever knows the link: handsets' pictures for applications, and what these sent.

The composition in `app` mounts the route. What comes from strangers is served as what it says it is and nothing
else: no browser is to run any of it in this gateway's name.
"""

import re
from typing import Final

from starlette.routing import BaseRoute, Route

from tidings.dialects.media import PATH
from tidings.errors import Problem
from tidings.store.base import Store
from tidings.web.auth import Authenticator
from tidings.web.gateway import Gateway
from tidings.web.own import refuse
from tidings.web.wire import Answer, Endpoint, Request

_ID: Final = re.compile(r"[0-9a-f]{32}")
_SAFE_TYPE: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(; ?charset=[\w.:+-]+)?", re.ASCII)
"""What handsets name is kept as it came: what could break out of a header does not get into one."""
_HEADERS: Final = (
    (b"cache-control", b"private, max-age=86400, immutable"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"x-content-type-options", b"nosniff"),
)


def routes(gateway: Gateway, authenticator: Authenticator) -> list[BaseRoute]:
    room = _Media(gateway.store)
    return [Route(PATH + "{id}", Endpoint({"GET": room.content}, refuse))]


class _Media:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def content(self, request: Request) -> Answer:
        """What of an outbound message has not been fetched yet is not there either."""
        medium_id = request.path_params["id"]
        medium = await self._store.medium(medium_id) if _ID.fullmatch(medium_id) else None
        content = await self._store.content(medium_id) if medium is not None and medium.size is not None else None
        if medium is None or content is None:
            raise Problem(20404, value=request.path)
        stated = medium.content_type or ""
        kind = stated.encode() if _SAFE_TYPE.fullmatch(stated) else b"application/octet-stream"
        return Answer(200, content, [(b"content-type", kind), *_HEADERS])
