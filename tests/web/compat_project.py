"""A project that asks the Compatibility API, and holds each answer against that API's description."""

from typing import TYPE_CHECKING, Any

import httpx

from tests.schemas import signalwire
from tidings.gateway.ledger import Evidence
from tidings.lifecycle import Kind
from tidings.model import Medium
from tidings.store.base import Change

if TYPE_CHECKING:
    from tests.web.conftest import Site

ACCOUNT, TOKEN, PROJECT = "0a" * 16, "token of the first", "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"
OTHER, OTHER_TOKEN, OTHER_PROJECT = "0b" * 16, "token of the second", "0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b"
FROM, TO = "+15005550006", "+15551230000"
FORM = {"To": TO, "From": FROM, "Body": "Hello"}
PICTURE = "https://cdn.example.com/cat.png"
PREFIXES = ("/api/laml", "", "/api/laml/api/laml")
ROOT = f"/api/laml/2010-04-01/Accounts/{PROJECT}"
MESSAGES = f"{ROOT}/Messages"
NOBODY = "0d0d0d0d-0d0d-0d0d-0d0d-0d0d0d0d0d0d"
TAKEN = (Evidence(Kind.INTENT, {}, 1, carrier="main"), Evidence(Kind.ACCEPTED, {}, 1, carrier_id="1"))
REFUSED = Evidence(Kind.REFUSED, {}, 1, error=21610)


def http(site: "Site", user: str = PROJECT, password: str = TOKEN) -> httpx.Client:
    return httpx.Client(base_url=site.url, auth=(user, password))


def conforming(name: str, answer: httpx.Response) -> Any:
    """The body, which is what the API description has under that name."""
    body = answer.json()
    signalwire("compat-messages", name).validate(body)
    return body


def create(site: "Site", **changed: Any) -> Any:
    answer = http(site).post(MESSAGES, data=FORM | changed)
    assert answer.status_code == 201, answer.text
    return conforming("Message", answer)


def refused(answer: httpx.Response) -> tuple[int, int]:
    """Number and status."""
    body = conforming("CompatibilityErrorResponse", answer)
    assert body["status"] == answer.status_code
    return body["code"], answer.status_code


def say(site: "Site", made: Any, *said: Evidence) -> None:
    site.say(made["sid"].replace("-", ""), *said)


def sent(site: "Site", **changed: Any) -> Any:
    made = create(site, **changed)
    say(site, made, *TAKEN)
    return made


def picture(site: "Site", place: int = 0) -> tuple[Any, Medium]:
    """A message with a medium of its own, both on record."""
    made = sent(site)
    medium = Medium(
        f"{place:02x}" * 16,
        made["sid"].replace("-", ""),
        ACCOUNT,
        place,
        PICTURE,
        "image/png",
        5,
        site.clock.now(),
        site.clock.now(),
    )
    change = Change()
    change.media.append(medium)
    site.commit(change)
    return made, medium
