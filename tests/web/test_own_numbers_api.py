"""Our own API for numbers: which an account has, and who answers each."""

from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from tests.web.description import described
from tidings.arranged import Application, Handler, Handling, Sender
from tidings.clock import SECOND, iso

if TYPE_CHECKING:
    from tests.web.conftest import Site

ACCOUNT, OTHER = "0a" * 16, "0b" * 16
MINE, THEIRS = "+15005550006", "+15005550009"
APPLICATION, THEIR_APPLICATION, NO_APPLICATION = "0e" * 16, "0f" * 16, "0d" * 16
URL = "https://app.example.com/sms"


def fetched(site: "Site", address: str = MINE) -> Any:
    return described("/v1/numbers/{address}", site.http().get(f"/v1/numbers/{address}"))


def put(site: "Site", address: str = MINE, **form: str) -> httpx.Response:
    return site.http().put(f"/v1/numbers/{address}", data=form)


def kept(site: "Site") -> Sender:
    found = site.run(site.store.sender(MINE))
    assert found is not None
    return found


def test_an_account_sees_its_own_numbers(site: "Site") -> None:
    (theirs,) = described("/v1/numbers", site.other().get("/v1/numbers"))["numbers"]
    assert theirs["address"] == THEIRS
    mine = described("/v1/numbers", site.http().get("/v1/numbers"))["numbers"]
    assert [number["address"] for number in mine] == [MINE, "+15005550007", "+15005550008"]
    assert mine[0] == fetched(site)
    assert {number["handler"] for number in mine} == {"none"}


def test_who_answers_a_number_is_kept_and_shown(site: "Site") -> None:
    before = kept(site)
    site.clock.time += SECOND

    shown = described("/v1/numbers/{address}", put(site, handler="markup", url=URL, method="GET"), "put")

    assert (shown["handler"], shown["dialect"], shown["url"], shown["method"]) == ("markup", "twilio", URL, "GET")
    assert shown["updated_at"] == iso(site.clock.now())
    assert fetched(site) == shown
    handling = Handling(Handler.MARKUP, "twilio", URL, "GET")
    assert kept(site) == msgspec.structs.replace(before, handling=handling, updated_at=site.clock.now())


def test_submissions_see_a_changed_number_at_once(site: "Site") -> None:
    site.run(site.senders.get(MINE))
    put(site, handler="relay", context="office")
    found = site.run(site.senders.get(MINE))
    assert found is not None
    assert found.handling.context == "office"


def test_what_signalwire_s_apis_set_shows_here_as_it_is(site: "Site") -> None:
    project = "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"
    with httpx.Client(base_url=site.url, auth=(project, "token of the first")) as signalwire:
        path = f"/api/relay/rest/phone_numbers/{_dashed(kept(site).id)}"
        members = {"message_handler": "relay_topic", "message_relay_topic": "sales", "name": "Sales"}
        assert signalwire.put(path, json=members).status_code == 200
        shown = fetched(site)
        assert (shown["handler"], shown["dialect"]) == ("relay", "signalwire_relay")
        assert (shown["context"], shown["name"]) == ("sales", "Sales")

        put(site, handler="markup", dialect="signalwire_compat", url=URL)

        number = signalwire.get(path).json()
    assert (number["message_handler"], number["message_request_url"]) == ("laml_webhooks", URL)
    assert number["message_relay_topic"] is None


def _dashed(id: str) -> str:
    return f"{id[:8]}-{id[8:12]}-{id[12:16]}-{id[16:20]}-{id[20:]}"


def test_an_application_must_be_the_account_s(site: "Site") -> None:
    for id_, account in ((APPLICATION, ACCOUNT), (THEIR_APPLICATION, OTHER)):
        site.run(site.store.put_resource(Application(id_, account, 0, 0, "app", URL)))
    for id_ in (THEIR_APPLICATION, NO_APPLICATION):
        answer = put(site, handler="application", application=id_)
        assert answer.status_code == 422
        assert described("/v1/numbers/{address}", answer, "put")["detail"] == (
            f"A parameter is not valid: application: {id_}: the account has no such application"
        )
    assert kept(site).handling == Handling()
    assert put(site, handler="application", application="AP" + APPLICATION).status_code == 200
    assert fetched(site)["application"] == APPLICATION


@pytest.mark.parametrize("address", ["+15005550099", THEIRS, "12345", "Tidings", "+1%20500%20555%200009"])
def test_only_numbers_of_the_account_are_there(site: "Site", address: str) -> None:
    for answer, method in ((site.http().get(f"/v1/numbers/{address}"), "get"), (put(site, address), "put")):
        assert answer.status_code == 404
        assert described("/v1/numbers/{address}", answer, method)["code"] == 20404


@pytest.mark.parametrize("spelled", ["+1 500 555 0006", "+1 (500) 555-0006", "%2B15005550006"])
def test_a_number_is_found_however_it_is_written(site: "Site", spelled: str) -> None:
    assert fetched(site, spelled)["address"] == MINE


def test_other_senders_are_numbers_too(site: "Site") -> None:
    for address in ("12345", "Tidings & Co"):
        site.run(site.store.put_sender(Sender(address, ACCOUNT)))
        assert fetched(site, address.replace(" ", "%20"))["address"] == address


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"handler": "markup", "url": "https://a_b.example/"}, 422, 20422),
        ({"handler": "swml", "script": "play: {}"}, 422, 20422),
        ({"handler": "relay"}, 422, 20422),
        ({"x": "y" * 70_000}, 413, 20413),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    site: "Site", form: dict[str, str], status: int, code: int
) -> None:
    before = kept(site)
    answer = put(site, **form)
    assert answer.status_code == status
    assert described("/v1/numbers/{address}", answer, "put")["code"] == code
    assert kept(site) == before


def test_no_query_is_ignored(site: "Site") -> None:
    for method, path in (("get", "/v1/numbers"), ("get", f"/v1/numbers/{MINE}"), ("put", f"/v1/numbers/{MINE}")):
        answer = site.http().request(method, f"{path}?handler=none")
        assert answer.status_code == 422
        assert answer.json()["detail"] == "A parameter is not valid: handler: there is no such parameter here"


def test_strangers_learn_nothing(site: "Site") -> None:
    for path, described_path in (("/v1/numbers", "/v1/numbers"), (f"/v1/numbers/{MINE}", "/v1/numbers/{address}")):
        assert described(described_path, site.http(None).get(path))["code"] == 20003
