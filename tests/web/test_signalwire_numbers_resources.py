"""SWML for numbers in SignalWire's Fabric API, asked by SignalWire's own client, unmodified; what that hides, or
its types do not know yet (`used_for`, `script_type`), is asked as its `extras`, or by a plain client."""

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from signalwire.rest import RestClient
from signalwire.rest._base import SignalWireRestError

from tests.schemas import signalwire
from tidings.arranged import Handler, Handling, Sender
from tidings.ids import dashed, from_project

if TYPE_CHECKING:
    from tests.web.conftest import Site


ACCOUNT, TOKEN, PROJECT = "0a" * 16, "token of the first", "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a"
OTHER_TOKEN, OTHER_PROJECT = "token of the second", "0b0b0b0b-0b0b-0b0b-0b0b-0b0b0b0b0b0b"
MINE, ALSO_MINE, ELSEWHERE, CODE = "+15005550006", "+15005550007", "+15005550009", "12345"
NOBODY = "0d0d0d0d-0d0d-0d0d-0d0d-0d0d0d0d0d0d"
HOOK, SPARE = "https://app.example.com/swml", "https://app.example.com/spare"
MESSAGING = {"used_for": "messaging"}
SCRIPTED = {"script_type": "messaging"}
YAML = "sections:\n  main:\n    - reply: Thank you\n"


def client(site: "Site", project: str = PROJECT, token: str = TOKEN) -> RestClient:
    return RestClient(project, token, site.url.removeprefix("http://"))


def http(site: "Site") -> httpx.Client:
    return httpx.Client(base_url=f"{site.url}/api/fabric/resources", auth=(PROJECT, TOKEN))


def sender(site: "Site", address: str = MINE) -> Sender:
    found = site.run(site.store.sender(address))
    assert found is not None
    return found


def webhook(site: "Site", **members: Any) -> Any:
    return client(site).fabric.swml_webhooks.create(primary_request_url=HOOK, extras=MESSAGING, **members)


def script(site: "Site", **members: Any) -> Any:
    given: dict[str, Any] = {"name": "Reply bot", "contents": YAML} | members
    return client(site).fabric.swml_scripts.create(extras=SCRIPTED, **given)


def route(site: "Site", resource: Any, address: str = MINE) -> Any:
    number = dashed(sender(site, address).id)
    return client(site).fabric.resources.assign_phone_route(
        resource["id"], phone_route_id=number, handler="messaging"
    )


def faults(answer: httpx.Response) -> list[tuple[str, str]]:
    """Attributes and codes of a 422, which has the shape that the API description has for it."""
    assert answer.status_code == 422, answer.text
    body = answer.json()
    name = "Types.StatusCodes.StatusCode422"
    signalwire("rest-numbers", name).validate(body)
    return [(entry["attribute"], entry["code"]) for entry in body["errors"]]


# --- webhooks and scripts
def test_a_webhook_is_made_changed_and_goes(site: "Site") -> None:
    webhooks = client(site).fabric.swml_webhooks
    made = webhook(site, name="Bot", primary_request_method="GET", fallback_request_url=SPARE)
    assert (made["project_id"], made["display_name"], made["type"]) == (PROJECT, "Bot", "swml_webhook")
    assert made["swml_webhook"] == {
        "id": made["id"],
        "name": "Bot",
        "used_for": "messaging",
        "primary_request_url": HOOK,
        "primary_request_method": "GET",
        "fallback_request_url": SPARE,
        "fallback_request_method": "POST",
        "status_callback_url": None,
        "status_callback_method": "POST",
    }
    changed: Any = webhooks.update(made["id"], name="Robot", fallback_request_url="")
    assert changed["swml_webhook"] == made["swml_webhook"] | {"name": "Robot", "fallback_request_url": None}
    assert webhooks.get(made["id"]) == changed
    assert webhooks.delete(made["id"]) == {}
    assert webhooks.list()["data"] == []


@pytest.mark.parametrize(
    "contents",
    [YAML, '{"reply": "Thank you"}', {"sections": {"main": [{"reply": "Thank you"}]}}],
)
def test_a_script_is_kept_as_text(site: "Site", contents: Any) -> None:
    scripts = client(site).fabric.swml_scripts
    made = script(site, contents=contents)
    assert (made["display_name"], made["type"]) == ("Reply bot", "swml_script")
    kept = made["swml_script"]["contents"]
    assert kept == contents if isinstance(contents, str) else json.loads(kept) == contents
    changed: Any = scripts.update(made["id"], display_name="Robot")
    assert (changed["display_name"], changed["swml_script"]["contents"]) == ("Robot", kept)
    assert scripts.get(made["id"]) == changed
    assert scripts.delete(made["id"]) == {}
    assert scripts.list()["data"] == []


def test_the_vendors_statuses_of_a_create_are_kept(site: "Site") -> None:
    answers = {
        "swml_webhooks": {"primary_request_url": HOOK, "used_for": "messaging"},
        "swml_scripts": {"name": "x", "contents": YAML, "script_type": "messaging"},
    }
    assert [http(site).post(path, json=members).status_code for path, members in answers.items()] == [201, 200]


def test_resources_are_listed_together_and_by_kind(site: "Site") -> None:
    first = webhook(site)
    site.clock.time += 1
    second = script(site)
    fabric = client(site).fabric
    assert list(fabric.resources.list()["data"]) == [second, first]
    assert list(fabric.swml_webhooks.list()["data"]) == [first]
    assert list(fabric.swml_scripts.list()["data"]) == [second]
    page = httpx.get(f"{site.url}/api/fabric/resources?page_size=1", auth=(PROJECT, TOKEN)).json()
    assert page["links"]["next"].startswith(f"{site.url}/api/fabric/resources?")
    assert httpx.get(page["links"]["next"], auth=(PROJECT, TOKEN)).json()["data"] == [first]
    assert fabric.resources.get(first["id"]) == first
    with pytest.raises(SignalWireRestError):
        fabric.swml_scripts.get(first["id"])


FAULTY: list[tuple[str, dict[str, Any], list[tuple[str, str]]]] = [
    ("swml_webhooks", {"primary_request_url": HOOK}, [("used_for", "unsupported_option")]),
    (
        "swml_webhooks",
        {"primary_request_url": HOOK, "used_for": "calling"},
        [("used_for", "unsupported_option")],
    ),
    ("swml_webhooks", MESSAGING, [("primary_request_url", "missing_required_parameter")]),
    (
        "swml_webhooks",
        MESSAGING | {"primary_request_url": "ftp://x", "primary_request_method": "HEAD"},
        [("primary_request_url", "not_an_http_url"), ("primary_request_method", "invalid_http_method")],
    ),
    ("swml_webhooks", MESSAGING | {"primary_request_url": 5}, [("primary_request_url", "not_an_http_url")]),
    ("swml_scripts", {"name": "x", "contents": YAML}, [("script_type", "unsupported_option")]),
    (
        "swml_scripts",
        SCRIPTED,
        [("name", "missing_required_parameter"), ("contents", "missing_required_parameter")],
    ),
    ("swml_scripts", SCRIPTED | {"name": "x", "contents": "text"}, [("contents", "not_json_or_yaml")]),
    ("swml_scripts", SCRIPTED | {"name": "x", "contents": "{"}, [("contents", "not_json_or_yaml")]),
    ("swml_scripts", SCRIPTED | {"name": "x", "contents": "a: [" * 900}, [("contents", "not_json_or_yaml")]),
    ("swml_scripts", SCRIPTED | {"name": "x", "contents": "[" * 60_000}, [("contents", "not_json_or_yaml")]),
    ("swml_scripts", SCRIPTED | {"name": "x", "contents": "a: !!bool x"}, [("contents", "not_json_or_yaml")]),
    ("swml_scripts", SCRIPTED | {"name": "x", "contents": []}, [("contents", "not_json_or_yaml")]),
    ("swml_scripts", SCRIPTED | {"name": "x", "contents": {"main": []}}, [("contents", "invalid_parameter")]),
    ("swml_scripts", SCRIPTED | {"name": "x", "contents": "play: x"}, [("contents", "invalid_parameter")]),
    ("swml_scripts", SCRIPTED | {"name": "x", "contents": ""}, [("contents", "not_json_or_yaml")]),
]


@pytest.mark.parametrize(("path", "members", "said"), FAULTY)
def test_a_resource_that_cannot_be_is_refused(
    site: "Site", path: str, members: dict[str, Any], said: list[tuple[str, str]]
) -> None:
    assert faults(http(site).post(path, json=members)) == said
    assert list(client(site).fabric.resources.list()["data"]) == []


def test_a_change_that_cannot_be_changes_nothing(site: "Site") -> None:
    hook, bot = webhook(site), script(site)
    for resource, members in (
        (hook, {"primary_request_url": ""}),
        (hook, {"used_for": "calling"}),
        (bot, {"contents": None}),
        (bot, {"script_type": "calling"}),
        (bot, {"display_name": ""}),
    ):
        faults(http(site).put(f"{resource['type']}s/{resource['id']}", json=members))
        assert client(site).fabric.resources.get(resource["id"]) == resource


# --- numbers that are routed to them
def test_a_number_is_answered_by_the_resource_it_is_routed_to(site: "Site") -> None:
    hook = webhook(site, fallback_request_url=SPARE)
    address = route(site, hook)
    assert (address["id"], address["type"]) == (dashed(sender(site).id), "app")
    expected = Handling(
        Handler.SWML, "signalwire_rest", url=HOOK, fallback_url=SPARE, resource=from_project(hook["id"])
    )
    assert sender(site).handling == expected
    number = client(site).phone_numbers.get(dashed(sender(site).id))
    assert (number["message_handler"], number["messaging_handler_resource_id"]) == (None, hook["id"])


def test_a_script_answers_numbers_and_short_codes(site: "Site") -> None:
    site.run(site.put_sender(Sender(CODE, ACCOUNT)))
    bot = script(site)
    for address in (MINE, CODE):
        route(site, bot, address)
        assert sender(site, address).handling.script == YAML


def test_a_resource_that_changes_or_goes_does_so_for_its_numbers(site: "Site") -> None:
    hook, other = webhook(site), webhook(site)
    for address, resource in ((MINE, hook), (ALSO_MINE, other)):
        route(site, resource, address)
    kept = sender(site, ALSO_MINE)
    client(site).fabric.swml_webhooks.update(hook["id"], primary_request_url=SPARE)
    assert (sender(site).handling.url, sender(site).handling.handler) == (SPARE, Handler.SWML)
    answer = http(site).delete(hook["id"])
    assert (answer.status_code, answer.headers["tidings-unanswered-senders"]) == (204, MINE)
    assert sender(site).handling == Handling()
    assert sender(site, ALSO_MINE) == kept


def test_only_what_is_there_is_routed_and_only_for_messages(site: "Site") -> None:
    hook, before = webhook(site), sender(site)
    path, mine = f"{hook['id']}/phone_routes", dashed(before.id)
    unknown = [("phone_route_id", "does_not_exist")]
    for members, said in (
        ({"phone_route_id": dashed(sender(site, ELSEWHERE).id), "handler": "messaging"}, unknown),
        ({"phone_route_id": NOBODY, "handler": "messaging"}, unknown),
        ({"phone_route_id": "x", "handler": "messaging"}, unknown),
        ({"phone_route_id": mine, "handler": "calling"}, [("handler", "unsupported_option")]),
        ({"phone_route_id": mine}, [("handler", "missing_required_parameter")]),
        ({}, [(name, "missing_required_parameter") for name in ("phone_route_id", "handler")]),
    ):
        assert faults(http(site).post(path, json=members)) == said
    assert sender(site) == before


# --- who may
def test_what_is_anothers_is_not_there(site: "Site") -> None:
    theirs: Any = client(site, OTHER_PROJECT, OTHER_TOKEN).fabric.swml_webhooks.create(
        primary_request_url=HOOK, extras=MESSAGING
    )
    members = {"phone_route_id": dashed(sender(site).id), "handler": "messaging"}
    for id_ in (theirs["id"], NOBODY, "x"):
        for method, path in (
            ("GET", id_),
            ("DELETE", id_),
            ("PATCH", f"swml_webhooks/{id_}"),
            ("POST", f"{id_}/phone_routes"),
        ):
            answer = http(site).request(method, path, json=members)
            assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})
    assert list(client(site).fabric.resources.list()["data"]) == []


def test_nobody_gets_in_without_credentials(site: "Site") -> None:
    answer = httpx.get(f"{site.url}/api/fabric/resources", auth=(PROJECT, "wrong"))
    assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})
