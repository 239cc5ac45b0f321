"""Changes of services and numbers whose requests take long to come, while others change them or take them away."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx
import pytest

from tests.web.messaging_client import ACCOUNT, TOKEN, groups, services
from tidings.arranged import Sender, Service
from tidings.ids import dashed, from_sid

if TYPE_CHECKING:
    from tests.web.conftest import Site

WAIT = 20.0
OTHER, FREE = "0b" * 16, "+15005550042"
HOOK = "https://app.example.com/status"
RENAMED = b'{"name": "New"}'
NO_KEYWORDS = b'{"keywords": []}'


class Slowly:
    """A request whose body stops half-way until the test goes on."""

    def __init__(self, site: "Site") -> None:
        self._site = site
        self._begun, self._goes_on = Event(), Event()
        self._threads = ThreadPoolExecutor(1)

    def put(self, client: httpx.Client, path: str, body: bytes, meanwhile: Callable[[], object]) -> httpx.Response:
        def content() -> Iterator[bytes]:
            yield body[:5]
            self._begun.set()
            assert self._goes_on.wait(WAIT)
            yield body[5:]

        answer = self._threads.submit(client.put, path, content=content())
        assert self._begun.wait(WAIT)
        for _ in range(3):  # answered behind it: by then its handler waits
            httpx.get(f"{self._site.url}/health/live").raise_for_status()
        meanwhile()
        self._goes_on.set()
        found = answer.result(WAIT)
        self._threads.shutdown()
        return found


def own(site: "Site") -> httpx.Client:
    return httpx.Client(base_url=site.url, auth=("AC" + ACCOUNT, TOKEN))


@pytest.fixture
def service(site: "Site") -> str:
    """The id of a new one, as the store has it."""
    found = from_sid(services(site).create(friendly_name="Orders").sid, "MG")
    assert found is not None
    return found


def place(service: str) -> str:
    return f"/number_groups/{dashed(service)}"


def test_a_group_that_was_deleted_meanwhile_stays_deleted(site: "Site", service: str) -> None:
    deleted = services(site)("MG" + service).delete
    answer = Slowly(site).put(groups(site), place(service), RENAMED, deleted)
    assert answer.status_code == 404, answer.text
    assert services(site).list() == []


def test_what_another_changed_meanwhile_is_kept(site: "Site", service: str) -> None:
    def changed() -> None:
        services(site)("MG" + service).update(status_callback=HOOK)

    answer = Slowly(site).put(groups(site), place(service), RENAMED, changed)
    assert answer.status_code == 200, answer.text
    kept = services(site)("MG" + service).fetch()
    assert (kept.friendly_name, kept.status_callback) == ("New", HOOK)


def test_keywords_change_nothing_else_of_their_service(site: "Site", service: str) -> None:
    def changed() -> None:
        services(site)("MG" + service).update(friendly_name="Other")

    answer = Slowly(site).put(own(site), f"/v1/services/MG{service}/keywords", NO_KEYWORDS, changed)
    assert answer.status_code == 200, answer.text
    assert services(site)("MG" + service).fetch().friendly_name == "Other"


def test_keywords_do_not_bring_a_deleted_service_back(site: "Site", service: str) -> None:
    deleted = services(site)("MG" + service).delete
    answer = Slowly(site).put(own(site), f"/v1/services/MG{service}/keywords", NO_KEYWORDS, deleted)
    assert answer.status_code == 404, answer.text
    assert site.run(site.store.resource(Service, ACCOUNT, service)) is None


# --- numbers
@pytest.mark.parametrize("api", ["ours", "REST"])
def test_a_number_that_became_somebody_else_s_meanwhile_stays_theirs(site: "Site", api: str) -> None:
    taken = Sender(FREE, ACCOUNT, id="01" * 16, claimed=True)
    theirs = Sender(FREE, OTHER, id="02" * 16, claimed=True)
    site.run(site.put_sender(taken))

    def passed_on() -> None:
        site.run(site.drop_sender(taken))
        site.run(site.put_sender(theirs))

    if api == "ours":
        client, path, body = own(site), f"/v1/numbers/{FREE}", urlencode({"handler": "none"}).encode()
        client.headers["Content-Type"] = "application/x-www-form-urlencoded"
    else:
        client, path, body = groups(site), f"/phone_numbers/{dashed(taken.id)}", b'{"name": "Mine"}'
    answer = Slowly(site).put(client, path, body, passed_on)
    assert answer.status_code == 404, answer.text
    assert site.run(site.store.sender(FREE)) == theirs
