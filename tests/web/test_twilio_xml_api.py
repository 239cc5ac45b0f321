"""Twilio's API without `.json`: asked by a plain client, and compared with what the JSON says."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import httpx
import pytest
from msgspec.structs import replace
from starlette.routing import Route, Router

from tidings.arranged import Application, Sender
from tidings.gateway.ledger import Evidence
from tidings.ids import dashed
from tidings.lifecycle import Kind
from tidings.store.base import Change
from tidings.web.app import build

if TYPE_CHECKING:
    from tests.web.conftest import Site

ACCOUNT, OTHER = "0a" * 16, "0b" * 16
FROM, TO = "+15005550006", "+15551230000"
PICTURE, CARD = "https://a.example/cat.png", "https://a.example/card.vcf"
MESSAGES = f"/2010-04-01/Accounts/AC{ACCOUNT}/Messages"
FORM = {"To": TO, "From": FROM, "Body": "Fish & <chips>\r\n\N{FISH}"}
SENT = (Evidence(Kind.INTENT, {}, 1, carrier="main"), Evidence(Kind.ACCEPTED, {}, 1, carrier_id="1"))


def content(answer: httpx.Response) -> Element:
    """The element in the document's root, the only one."""
    assert answer.headers["Content-Type"] == "application/xml"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    root = ElementTree.fromstring(answer.content)
    assert root.tag == "TwilioResponse"
    (element,) = root
    return element


def said(element: Element) -> dict[str, Any]:
    """What an element says, by the names that JSON has: without underscores."""
    return {child.tag.lower(): said(child) if len(child) else child.text or "" for child in element}


def as_said(shown: dict[str, Any], *, uris: bool = False) -> dict[str, Any]:
    """What JSON says, as XML is to say it."""

    def text(name: str, value: Any) -> Any:
        match value:
            case dict():
                return as_said(value, uris=name.endswith("uris"))
            case None:
                return ""
            case bool():
                return str(value).lower()
        return str(value).removesuffix(".json") if uris or name == "uri" else str(value)

    return {name.replace("_", ""): text(name, value) for name, value in shown.items()}


def create(site: "Site", **form: Any) -> str:
    """The new message's path."""
    made: str = site.http().post(f"{MESSAGES}.json", data=FORM | form).json()["uri"]
    return made.removesuffix(".json")


@pytest.fixture
def pictured(site: "Site") -> str:
    """The path of a message that was sent with two media, which have been fetched."""
    path = create(site, MediaUrl=[PICTURE, CARD])
    change = Change()
    for medium in site.run(site.store.media(path[-32:])):
        site.run(site.store.put_content(medium.id, b"\x89PNG"))
        change.media.append(replace(medium, content_type="image/png", size=4, updated_at=site.clock.now()))
    site.commit(change)
    site.say(path[-32:], *SENT)
    return path


def media_of(site: "Site", path: str) -> list[str]:
    return [f"{path}/Media/ME{medium.id}" for medium in site.run(site.store.media(path[-32:]))]


# --- each path, each method


def test_a_message_is_created_in_xml(site: "Site") -> None:
    answer = site.http().post(MESSAGES, data=FORM)
    assert answer.status_code == 201
    message = content(answer)
    assert message.tag == "Message"
    assert message.findtext("Body") == FORM["Body"]
    uri = message.findtext("Uri")
    assert uri == f"{MESSAGES}/{message.findtext('Sid')}"
    assert said(message) == as_said(site.http().get(f"{uri}.json").json())
    (kept,) = site.client().messages.list()
    assert (kept.sid, kept.body) == (message.findtext("Sid"), FORM["Body"])


@pytest.mark.parametrize("ending", ["", ".xml"])
def test_xml_says_of_a_message_what_json_says(site: "Site", ending: str) -> None:
    path = create(site)
    message = content(site.http().get(path + ending))
    assert (message.tag, said(message)) == ("Message", as_said(site.http().get(f"{path}.json").json()))
    site.say(path[-32:], *SENT, Evidence(Kind.UNDELIVERED, {}, 1, error=30003))
    message = content(site.http().get(path + ending))
    assert (message.findtext("Status"), message.findtext("ErrorCode")) == ("undelivered", "30003")
    assert said(message) == as_said(site.http().get(f"{path}.json").json())


def test_a_message_is_redacted_and_deleted_in_xml(site: "Site") -> None:
    path = create(site)
    site.say(path[-32:], *SENT)
    redacted = site.http().post(path, data={"Body": ""})
    assert (redacted.status_code, content(redacted).findtext("Body")) == (200, "")
    answer = site.http().delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert not {"Content-Type", "Content-Length"} & {name.title() for name in answer.headers}
    assert site.http().get(path).status_code == 404


def test_the_pages_of_a_list_lead_on_in_xml(site: "Site") -> None:
    paths = [create(site) for _ in range(5)]
    found: list[str | None] = []
    sizes: list[tuple[str, str, str]] = []
    uri = f"{MESSAGES}?From={FROM.replace('+', '%2B')}&PageSize=2"
    while uri:
        page = content(site.http().get(uri))
        assert page.tag == "Messages"
        assert {child.tag for child in page} == {"Message"}
        found += [message.findtext("Uri") for message in page]
        sizes.append((page.attrib["page"], page.attrib["start"], page.attrib["end"]))
        assert page.attrib["pagesize"] == "2"
        uri = page.attrib["nextpageuri"]
    assert found == paths[::-1]
    assert sizes == [("0", "0", "1"), ("1", "2", "3"), ("2", "4", "4")]


def test_a_list_has_the_paging_of_json_as_attributes(site: "Site") -> None:
    for _ in range(3):
        create(site)
    for query in ("?PageSize=1", "?To=%2B1999"):
        page = content(site.http().get(MESSAGES + query))
        shown = site.http().get(f"{MESSAGES}.json{query}").json()
        records = shown.pop("messages")
        told = {name.replace("_", ""): "" if value is None else str(value) for name, value in shown.items()}
        assert page.attrib == {name: value.replace(".json", "") for name, value in told.items()}
        assert [said(message) for message in page] == [as_said(record) for record in records]


def test_media_are_listed_shown_and_deleted_in_xml(site: "Site", pictured: str) -> None:
    media = content(site.http().get(f"{pictured}/Media"))
    shown = site.http().get(f"{pictured}/Media.json").json()["media_list"]
    assert (media.tag, [medium.tag for medium in media]) == ("MediaList", ["Media", "Media"])
    assert [said(medium) for medium in media] == [as_said(medium) for medium in shown]
    one, other = media_of(site, pictured)
    medium = content(site.http().get(f"{one}.xml"))
    assert (medium.tag, said(medium)) == ("Media", as_said(shown[0]))
    assert site.http().delete(one).status_code == 204
    assert media_of(site, pictured) == [other]
    assert site.http().delete(f"{other}.xml").status_code == 204
    assert media_of(site, pictured) == []


def test_a_medium_without_an_ending_is_its_content(site: "Site", pictured: str) -> None:
    path = media_of(site, pictured)[0]
    redirect = httpx.get(site.url + path)
    assert (redirect.status_code, redirect.content) == (307, b"")
    assert httpx.get(site.url + path, follow_redirects=True).content == b"\x89PNG"


def test_feedback_is_given_in_xml(site: "Site") -> None:
    path = create(site, ProvideFeedback="true")
    answer = site.http().post(f"{path}/Feedback", data={"Outcome": "confirmed"})
    feedback = content(answer)
    assert (answer.status_code, feedback.tag, feedback.findtext("Outcome")) == (200, "Feedback", "confirmed")
    assert feedback.findtext("Uri") == f"{path}/Feedback"
    assert feedback.findtext("MessageSid") == path[-34:]


@pytest.mark.parametrize(
    ("path", "key", "noun"),
    [
        ("IncomingPhoneNumbers", "incoming_phone_numbers", "IncomingPhoneNumber"),
        ("Applications", "applications", "Application"),
        ("SMS/ShortCodes", "short_codes", "ShortCode"),
    ],
)
def test_other_resources_say_what_json_says(site: "Site", path: str, key: str, noun: str) -> None:
    site.run(site.store.put_sender(Sender("12345", ACCOUNT, id="0f" * 16)))
    site.run(site.store.put_resource(Application("0e" * 16, ACCOUNT, 0, 0, "desk")))
    root = MESSAGES.replace("Messages", path)
    records = site.http().get(f"{root}.json").json()[key]
    listed = content(site.http().get(root))
    assert (listed.tag, {one.tag for one in listed}) == (f"{noun}s", {noun})
    assert [said(one) for one in listed] == [as_said(record) for record in records]
    one = content(site.http().get(listed[0].findtext("Uri", "")))
    assert (one.tag, said(one)) == (noun, said(listed[0]))


def test_every_path_that_answers_json_answers_xml_without_its_ending(site: "Site") -> None:
    app = build(site)
    assert isinstance(app, Router)
    endings = {route.path for route in app.routes if isinstance(route, Route)}
    paths = {path for path in endings if path.startswith("/2010-04-01/") and path.endswith(".json")}
    assert len(paths) > 5
    for path in paths:
        bare = re.sub("{.*?}", "x", path.removesuffix(".json").replace("{account}", f"AC{ACCOUNT}"))
        for method in ("GET", "POST", "DELETE", "PUT"):
            for url in (bare, f"{bare}.xml"):
                answer = site.http(None).request(method, url)
                assert (content(answer).tag, answer.status_code in (401, 404, 405)) == ("RestException", True)


def test_head_tells_of_the_xml(site: "Site") -> None:
    path = create(site)
    head, got = site.http().head(path), site.http().get(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == got.headers[name]


# --- what is refused

REFUSED: dict[str, tuple[Callable[[httpx.Client], httpx.Response], int, int]] = {
    "no such sender": (lambda http: http.post(MESSAGES, data=FORM | {"From": "+15005559999"}), 400, 21606),
    "unreadable": (lambda http: http.post(MESSAGES, content=b"To=%zz"), 400, 20001),
    "too long": (lambda http: http.post(MESSAGES, content=b"Body=" + b"x" * 65_536), 413, 20413),
    "no such page": (lambda http: http.get(f"{MESSAGES}?PageToken=x"), 400, 21481),
    "no such message": (lambda http: http.get(f"{MESSAGES}/SM{'0' * 32}"), 404, 20404),
    "no message": (lambda http: http.get(f"{MESSAGES}/x.xml"), 404, 20404),
    "no such medium": (lambda http: http.get(f"{MESSAGES}/SM{'0' * 32}/Media/ME{'0' * 32}"), 404, 20404),
    "no account": (lambda http: http.get("/2010-04-01/Accounts/x/Messages"), 404, 20404),
    "no such path": (lambda http: http.get(f"/2010-04-01/Accounts/AC{ACCOUNT}/Calls"), 404, 20404),
    "no such path with an ending": (lambda http: http.get(f"{MESSAGES}.csv"), 404, 20404),
    "no such method": (lambda http: http.put(MESSAGES), 405, 20004),
}


@pytest.mark.parametrize(("ask", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_a_rest_exception(
    site: "Site", ask: Callable[[httpx.Client], httpx.Response], status: int, code: int
) -> None:
    answer = ask(site.http())
    error = content(answer)
    assert (answer.status_code, error.tag) == (status, "RestException")
    assert [child.tag for child in error] == ["Code", "Message", "MoreInfo", "Status"]
    assert (error.findtext("Code"), error.findtext("Status")) == (str(code), str(status))
    assert error.findtext("MoreInfo") == f"https://www.twilio.com/docs/errors/{code}"
    if code == 20404:
        assert str(answer.request.url.raw_path, "ascii") in (error.findtext("Message") or "")


def test_strangers_are_told_in_xml(site: "Site") -> None:
    for http in (site.http(None), site.other()):
        answer = http.post(MESSAGES, data=FORM)
        error = content(answer)
        assert (answer.status_code, error.findtext("Code"), error.findtext("Status")) == (401, "20003", "401")
        assert error.findtext("Detail")
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert not site.orders


def test_methods_that_are_possible_are_named(site: "Site") -> None:
    assert site.http().put(MESSAGES).headers["Allow"] == "GET, HEAD, POST"
    assert site.http().put(f"{MESSAGES}/x").headers["Allow"] == "DELETE, GET, HEAD, POST"


@pytest.mark.parametrize("path", [f"{MESSAGES}/x.json", "/2010-04-01/Calls.json", "/", "/nowhere"])
def test_json_is_refused_in_json(site: "Site", path: str) -> None:
    answer = site.http().get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


# --- headers, and those who did not ask for XML


def test_headers_are_those_of_json(site: "Site") -> None:
    form = FORM | {"Tags": "{}"}
    answer = site.http().post(MESSAGES, data=form, headers={"Idempotency-Key": "17"})
    again = site.http().post(MESSAGES, data=form, headers={"Idempotency-Key": "17"})
    assert answer.headers["Twilio-Request-Id"].startswith("RQ")
    assert answer.headers["Twilio-Concurrent-Requests"] == "1"
    assert answer.headers["Tidings-Ignored-Parameters"] == "Tags"
    assert (again.headers["Idempotent-Replayed"], again.content) == ("true", answer.content)


def test_a_key_holds_for_both_representations(site: "Site") -> None:
    made = site.http().post(MESSAGES, data=FORM, headers={"Idempotency-Key": "17"})
    again = site.http().post(f"{MESSAGES}.json", data=FORM, headers={"Idempotency-Key": "17"})
    assert content(made).findtext("Sid") == again.json()["sid"]


def test_paths_of_projects_stay_signalwires(site: "Site") -> None:
    project = dashed(ACCOUNT)
    http = httpx.Client(base_url=site.url, auth=(project, "token of the first"))
    for path in (f"/2010-04-01/Accounts/{project}/Messages", f"/2010-04-01/Accounts/{project}/nowhere"):
        answer = http.get(path)
        assert answer.headers["Content-Type"] == "application/json"
        answer.json()
