"""Twilio's client and a plain one, whose answers are held against Twilio's own descriptions."""

from typing import TYPE_CHECKING, Any

import httpx
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from tests.web.twilio_description import check
from tidings.arranged import Sender
from tidings.errors import CATALOGUE

if TYPE_CHECKING:
    from tests.web.conftest import Site

POOLS = ("PhoneNumbers", "ShortCodes", "AlphaSenders", "DestinationAlphaSenders")
"""What stands in a path before the SID of a sender."""

ACCOUNT, TOKEN = "0a" * 16, "token of the first"
MINE, ALSO_MINE, ELSEWHERE, CODE = "+15005550006", "+15005550007", "+15005550009", "12345"
NOBODY = "0" * 32
SERVICES = "/v1/Services"


class Checked(TwilioHttpClient):  # type: ignore[misc]  # it has no types
    """Twilio's client, whose answers are looked at on their way."""

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        answer = super().request(method, url, *args, **kwargs)
        check(method, url, answer.status_code, answer.text)
        return answer


def client(site: "Site", account: str = ACCOUNT, token: str = TOKEN) -> Client:
    made = Client("AC" + account, token, http_client=Checked())
    made.api.base_url = made.messaging.base_url = site.url
    return made


def services(site: "Site", account: str = ACCOUNT, token: str = TOKEN) -> Any:
    return client(site, account, token).messaging.v1.services


def new(site: "Site", name: str = "Orders") -> Any:
    """A new service, through which its senders can be asked for."""
    return services(site)(services(site).create(friendly_name=name).sid)


def http(site: "Site") -> httpx.Client:
    def checked(answer: httpx.Response) -> None:
        check(answer.request.method, str(answer.url), answer.status_code, answer.read().decode())

    return httpx.Client(base_url=site.url, auth=("AC" + ACCOUNT, TOKEN), event_hooks={"response": [checked]})


def groups(site: "Site") -> httpx.Client:
    """A plain client for what SignalWire's REST API calls number groups."""
    project = "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"
    return httpx.Client(base_url=f"{site.url}/api/relay/rest", auth=(project, TOKEN))


def refused(answer: httpx.Response) -> tuple[int, int]:
    """Status and code, which has our words."""
    body = answer.json()
    assert CATALOGUE[body["code"]].message in body["message"]
    return answer.status_code, body["code"]


def fields(resource: Any) -> dict[str, Any]:
    """What Twilio's client has of a resource."""
    return {name: value for name, value in vars(resource).items() if not name.startswith("_")}


def sid_of(site: "Site", address: str, prefix: str = "PN") -> str:
    sender = site.run(site.store.sender(address))
    assert sender is not None
    return prefix + sender.id


def own(site: "Site", address: str, prefix: str = "PN") -> str:
    """Make a sender the account's, as the operator does."""
    site.run(site.put_sender(Sender(address, ACCOUNT)))
    return sid_of(site, address, prefix)
