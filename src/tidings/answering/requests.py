"""How applications are asked about an inbound message: by the dialect that its number was given its URL in.

`conversation` asks. Twilio and the compatibility API ask with parameters, and read TwiML and cXML; SWML is asked
for with a JSON object. Every request is signed as the dialect signs its status callbacks.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from tidings.answering.effects import Call, Document, FetchDocument, Inbound, Script
from tidings.arranged import Handler, Handling
from tidings.callbacks.attempt import Telling
from tidings.callbacks.exchange import METHODS, Method, Request, Timeouts
from tidings.callbacks.forms import JSON, SIGNALWIRE, event_token, parametric, signed_json, signer
from tidings.callbacks.url import Url, parse_url
from tidings.dialects import markup, signalwire_compat, swml, swml_document, twilio

Params = Sequence[tuple[str, str]]

_PARAMS: Final[dict[str, Callable[[Inbound], list[tuple[str, str]]]]] = {
    twilio.NAME: twilio.inbound_params,
    signalwire_compat.NAME: signalwire_compat.inbound_params,
}
_METHODS: Final[dict[str, Method]] = {method: method for method in METHODS}


def document_request(
    telling: Telling,
    handling: Handling,
    inbound: Inbound,
    url: Url,
    asked: FetchDocument,
    place: str,
    *,
    previous: bool = False,
) -> Request:
    """The signed request for a document; `place` tells it from the others of its conversation.

    With `previous` it is signed by the token that was rotated away.
    """
    account, token = telling.account, event_token(telling.message, telling.event, place)
    if handling.handler is Handler.SWML:
        if asked.method == "GET":
            return signed_json("GET", url, (token,), b"", account, previous)
        body = swml.payload(inbound) if asked.body is None else asked.body
        return signed_json(asked.method, url, (JSON, token), body, account, previous)
    instead = {name for name, _ in asked.params}
    params = [param for param in _PARAMS[handling.dialect](inbound) if param[0] not in instead]
    params += asked.params
    options = replace(account.callbacks, method="GET" if asked.method == "GET" else "POST", format="form")
    sign = signer(handling.dialect, account, previous)
    return parametric(options, url, params, dict, sign, token)


def call_request(telling: Telling, call: Call) -> Request:
    """The signed request of SWML's `request` step. Raises ValueError: a URL or a method that cannot be used."""
    method = _METHODS.get(call.method.upper())
    if method is None:
        raise ValueError(f"{call.method} is no method that can be used")
    headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in call.headers
        if name.lower() != _OURS  # nobody else's word for who it is from
    ]
    request = signed_json(method, parse_url(call.url), headers, call.body, telling.account, previous=False)
    return replace(request, timeouts=Timeouts(call.timeout, call.timeout, call.timeout))


_OURS: Final = SIGNALWIRE.decode().lower()


def script(handling: Handling, document: Document, inbound: Inbound) -> Script:
    """What a document says is to be done. Raises Unusable, at once or on the way."""
    if handling.handler is Handler.SWML:
        return swml.run(swml_document.parse(document), inbound)
    return markup.run(document, inbound, markup.FLAVOURS[handling.dialect])
