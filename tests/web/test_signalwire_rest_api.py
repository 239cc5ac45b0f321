"""SignalWire's REST messages, asked by SignalWire's own client; what that client hides is asked by a plain one."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signalwire.core.security.webhook_validator import validate_webhook_signature
from signalwire.rest import RestClient
from signalwire.rest._base import SignalWireRestError

from tests.schemas import signalwire
from tidings.callbacks.attempt import Telling
from tidings.callbacks.forms import compose
from tidings.callbacks.forms import tells as told
from tidings.clock import DAY, SECOND
from tidings.errors import CATALOGUE
from tidings.gateway.ledger import Evidence
from tidings.ids import dashed, from_project, new_id
from tidings.lifecycle import Kind, Status
from tidings.model import Account, Direction, Message, OptOut, Standing, Target
from tidings.store.base import Change, StoreError
from tidings.text import Encoding

if TYPE_CHECKING:
    from tests.web.conftest import Site

DATA = Path(__file__).parents[1] / "data/signalwire"
CALLBACK_SCHEMA = signalwire("message-status-callback")
MESSAGES = "/api/messaging/messages"
LOGS = "/api/messaging/logs"
FROM, TO = "+15005550006", "+15551230000"
NOBODY = "11111111-1111-1111-1111-111111111111"
PLAIN = {"to": TO, "from": FROM, "body": "Hello"}
CALLBACK = "https://app.example.com/status?of=all"
ACCOUNT = Account("0a" * 16, "first", "token of the first", 0)
OTHER = Account("0b" * 16, "second", "token of the second", 0)
CLOSED = Account("0c" * 16, "closed", "token of the closed", 0, active=False)
SENT = (Evidence(Kind.INTENT, {}, 1, carrier="main"), Evidence(Kind.ACCEPTED, {}, 1, carrier_id="1"))
DELIVERED = (*SENT, Evidence(Kind.DELIVERED, {}, 1))


def client(site: "Site", account: Account = ACCOUNT, token: str | None = None) -> RestClient:
    """SignalWire's own client, unmodified: it speaks http to a host that is this machine."""
    return RestClient(dashed(account.id), token or account.auth_token, site.url.removeprefix("http://"))


def create(site: "Site", **changed: Any) -> dict[str, Any]:
    members: dict[str, Any] = {"to": TO, "from_": FROM, "body": "Hello"} | changed
    return dict(client(site).messages.create(**members))


def say(site: "Site", made: dict[str, Any], *said: Evidence) -> None:
    site.say(str(from_project(made["id"])), *said)


def refused(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 422
    return [(entry["attribute"], entry["code"]) for entry in answer.json()["errors"]]


# --- create
def test_a_created_message_is_queued_and_stands_in_the_logs(site: "Site") -> None:
    made = create(site, body="Hello \N{WAVING HAND SIGN}", status_callback=CALLBACK)
    own = made["id"]
    assert from_project(own)
    assert made == {
        "id": own,
        "from": FROM,
        "to": TO,
        "body": "Hello \N{WAVING HAND SIGN}",
        "status": "queued",
        "direction": "outbound",
        "kind": "sms",
        "media": [],
        "number_of_segments": 1,
        "error_code": None,
        "error_message": None,
        "created_at": "2026-11-21T17:28:16Z",
        "project_id": dashed(ACCOUNT.id),
        "status_callback_url": CALLBACK,
        "message_uri": f"{LOGS}/{own}",
    }
    assert client(site).logs.messages.get(own) == {
        "id": own,
        "from": FROM,
        "to": TO,
        "status": "queued",
        "direction": "outbound",
        "kind": "sms",
        "source": "realtime_api",
        "type": "relay_message",
        "url": None,
        "number_of_segments": 1,
        "charge": 0.0,
        "charge_details": [],
        "created_at": "2026-11-21T17:28:16Z",
        "error_message": None,
        "error_code": None,
    }


def test_what_leaves_is_charged(site: "Site") -> None:
    made = create(site)
    say(site, made, *SENT)
    entry = client(site).logs.messages.get(made["id"])
    assert (entry["status"], entry["charge"]) == ("sent", 0.0079)
    assert entry["charge_details"] == [{"description": "Outbound SMS", "charge": 0.0079}]


def test_a_message_with_media_has_links_to_them(site: "Site") -> None:
    pictures = ["https://cdn.example.com/1.png", "https://cdn.example.com/2.png"]
    made = create(site, media=pictures, body=None)
    assert (made["kind"], made["body"]) == ("mms", "")
    kept = site.run(site.store.media(str(from_project(made["id"]))))
    assert [medium.url for medium in kept] == pictures
    assert made["media"] == [f"{site.url}/media/{medium.id}" for medium in kept]
    site.public_url = "https://sms.example.com/"
    assert all(link.startswith("https://sms.example.com/media/") for link in create(site, media=pictures)["media"])


def test_a_text_may_go_as_mms(site: "Site") -> None:
    made = create(site, send_as_mms=True, body="Hello " * 100)
    assert (made["kind"], made["media"], made["number_of_segments"]) == ("mms", [], 1)


def test_a_message_that_ended_badly_says_why(site: "Site") -> None:
    made = create(site)
    say(site, made, *SENT, Evidence(Kind.UNDELIVERED, {}, 1, error=30003))
    entry = site.http().get(made["message_uri"]).json()
    assert (entry["status"], entry["error_code"]) == ("undelivered", "unreachable_destination_handset")
    assert entry["error_message"] == CATALOGUE[30003].message


def test_members_without_effect_are_named(site: "Site") -> None:
    answer = site.http().post(MESSAGES, json=PLAIN | {"tags": ["a"], "MaxPrice": "1", "a\r\nb": 1, "none": None})
    assert answer.status_code == 201
    assert answer.headers["Tidings-Ignored-Parameters"] == "tags, MaxPrice, a%0D%0Ab"
    assert "Tidings-Ignored-Parameters" not in site.http().post(MESSAGES, json=PLAIN).headers


# --- errors
def test_the_official_client_tells_what_was_wrong(site: "Site") -> None:
    with pytest.raises(SignalWireRestError) as caught:
        create(site, to="", media=["x"], custom_variables={"sw_id": "1"})
    assert caught.value.status_code == 422
    assert [(entry["attribute"], entry["code"]) for entry in caught.value.body["errors"]] == [
        ("to", "missing_required_parameter"),
        ("media", "invalid_media_url"),
        ("custom_variables", "reserved_custom_variable_name"),
    ]
    assert caught.value.request_id
    assert from_project(caught.value.request_id)


REFUSED: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"to": "988"}, ("to", "invalid_to_number")),
    ({"to": "+15551"}, ("to", "invalid_to_number")),
    ({"to": FROM}, ("to", "invalid_to_number")),
    ({"to": "+442079460000"}, ("to", "invalid_to_number")),
    ({"to": "+4915112345678"}, ("to", "unrouteable_message")),
    ({"from": "+15005550009"}, ("from", "invalid_from_number")),
    ({"from": "55512"}, ("from", "invalid_from_number")),
    ({"body": "x" * 1601}, ("body", "message_length_exceeds_limit")),
    ({"to": "+447400123456", "media": ["https://a.example/x"]}, ("from", "missing_messaging_capability")),
]


@pytest.mark.parametrize(("changed", "expected"), REFUSED)
def test_a_message_that_cannot_go_is_refused(
    site: "Site", changed: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert refused(site.http().post(MESSAGES, json=PLAIN | changed)) == [expected]


def test_a_recipient_that_opted_out_is_left_alone(site: "Site") -> None:
    change = Change()
    change.opt_outs.append(OptOut(ACCOUNT.id, FROM, TO, 0, "STOP"))
    site.commit(change)
    site.run(site.opt_outs.start())
    assert refused(site.http().post(MESSAGES, json=PLAIN)) == [("to", "message_blocked_by_number")]


def test_a_sender_with_a_full_queue_takes_no_more(site: "Site") -> None:
    create(site, from_="+15005550008")
    answer = site.http().post(MESSAGES, json=PLAIN | {"from": "+15005550008"})
    assert refused(answer) == [("from", "max_queued_messages_exceeded")]


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"to=%2B15551230000&from=%2B15005550006&body=Hello", "application/x-www-form-urlencoded"),
        (b"To=%2B15551230000&From=%2B15005550006&Body=Hello", "application/x-www-form-urlencoded"),
        (b"[]", "application/json"),
        (b'"Hello"', "application/json"),
        (b"null", "application/json"),
        (b'{"to": ', "application/json"),
        (b'{"to": "\xed"}', "application/json"),
        (b"{" + b'"a":[' * 10_000, "application/json"),
    ],
)
def test_a_body_that_is_no_json_object_is_a_bad_request(site: "Site", content: bytes, content_type: str) -> None:
    for ask, path in ((site.http().post, MESSAGES), (site.http().patch, f"{MESSAGES}/{NOBODY}")):
        answer = ask(path, content=content, headers={"Content-Type": content_type})
        assert (answer.status_code, answer.json()) == (400, {"error": "Bad Request"})


def test_no_body_misses_everything(site: "Site") -> None:
    assert refused(site.http().post(MESSAGES)) == [
        ("to", "missing_required_parameter"),
        ("from", "missing_required_parameter"),
        ("body", "body_or_media_required"),
    ]


def test_nul_is_in_no_text(site: "Site") -> None:
    assert refused(site.http().post(MESSAGES, json=PLAIN | {"body": "a\0b"})) == [("base", "invalid_parameter")]


def test_a_body_that_is_too_long_is_not_read(site: "Site") -> None:
    answer = site.http().post(MESSAGES, json=PLAIN | {"body": "x" * 65_536})
    assert (answer.status_code, answer.json()) == (413, {"error": "Content Too Large"})


def test_whoever_it_is_must_say_so(site: "Site") -> None:
    for who in (client(site, token="wrong"), client(site, CLOSED), client(site, Account("0d" * 16, "", "x", 0))):
        with pytest.raises(SignalWireRestError) as caught:
            who.messages.create(to=TO, from_=FROM, body="Hello")
        assert (caught.value.status_code, caught.value.body) == (401, {"error": "Unauthorized"})
    answer = site.http(None).get(LOGS)
    assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_an_account_that_does_not_speak_this_is_forbidden_to(site: "Site") -> None:
    site.run(site.store.put_account(msgspec.structs.replace(ACCOUNT, dialects=("twilio",))))
    answer = site.http().post(MESSAGES, json=PLAIN)
    assert (answer.status_code, answer.json()) == (403, {"error": "Forbidden"})


def test_messages_are_neither_listed_nor_fetched_but_in_the_logs(site: "Site") -> None:
    """One page of the vendor hints at a list at /messages; its API description has none, nor a fetch."""
    own = create(site)["id"]
    ways = [("GET", MESSAGES, "POST"), ("GET", f"{MESSAGES}/{own}", "PATCH"), ("POST", LOGS, "GET, HEAD")]
    for method, path, allow in ways:
        answer = site.http().request(method, path)
        assert (answer.status_code, answer.json()) == (405, {"error": "Method Not Allowed"})
        assert answer.headers["Allow"] == allow


@pytest.mark.parametrize("id", [NOBODY, "1" * 32, "SM" + "1" * 32, "x", "%00"])
def test_what_is_not_there_is_not_found(site: "Site", id: str) -> None:
    http = site.http()
    for answer in (http.get(f"{LOGS}/{id}"), http.patch(f"{MESSAGES}/{id}", json={"body": ""})):
        assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})


def test_another_account_sees_nothing(site: "Site") -> None:
    own = create(site)["id"]
    assert client(site, OTHER).logs.messages.list()["data"] == []
    assert site.other().get(f"{LOGS}/{own}").status_code == 404
    assert site.other().patch(f"{MESSAGES}/{own}", json={"body": ""}).status_code == 404


@pytest.mark.parametrize(
    ("failure", "status", "phrase"),
    [
        (RuntimeError("a cable came loose"), 500, "Internal Server Error"),
        (StoreError("disk full"), 503, "Service Unavailable"),
    ],
)
def test_a_failure_of_ours_is_told_without_its_reason(
    site: "Site", failure: Exception, status: int, phrase: str
) -> None:
    site.failure = failure
    answer = site.http().post(MESSAGES, json=PLAIN)
    assert (answer.status_code, answer.json()) == (status, {"error": phrase})


LISTED = {*json.loads((DATA / "rest_error_code_list.json").read_text()), "datetime_required"}
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text() | st.sampled_from([TO, FROM, CALLBACK]),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=9,
)
NAMES = st.sampled_from(["to", "from", "body", "media", "send_as_mms", "status_callback", "custom_variables"])
PHRASES = {400: {"error": "Bad Request"}, 404: {"error": "Not Found"}}
OBJECTS = st.dictionaries(NAMES | st.text(), VALUES).map(lambda members: PLAIN | members)


def test_no_json_breaks_anything(site: "Site") -> None:
    http = site.http()

    @settings(max_examples=40, deadline=None)
    @given(VALUES | OBJECTS)
    def ask(value: Any) -> None:
        content = json.dumps(value).encode()
        for answer in (http.post(MESSAGES, content=content), http.patch(f"{MESSAGES}/{NOBODY}", content=content)):
            if answer.status_code == 422:
                assert {entry["code"] for entry in answer.json()["errors"]} <= LISTED
            else:
                assert answer.status_code == 201 or answer.json() == PHRASES[answer.status_code]

    ask()


# --- redaction
def test_a_settled_message_is_redacted(site: "Site") -> None:
    made = create(site, custom_variables={"order": "1"})
    say(site, made, *DELIVERED)
    redacted = client(site).messages.update(made["id"], body="")
    assert redacted == made | {"body": "", "status": "delivered"}
    assert client(site).messages.update(made["id"], body="") == redacted
    message_id = str(from_project(made["id"]))
    kept = site.run(site.store.message(ACCOUNT.id, message_id))
    assert kept is not None
    assert kept[0].body == ""


def test_a_message_on_its_way_is_not_redacted(site: "Site") -> None:
    made = create(site)
    for said in ((), SENT[:1]):
        if said:
            say(site, made, *said)
        with pytest.raises(SignalWireRestError) as caught:
            client(site).messages.update(made["id"], body="")
        assert caught.value.status_code == 422
        (entry,) = caught.value.body["errors"]
        assert (entry["attribute"], entry["code"]) == ("base", "cannot_redact_in_progress_message")


def test_nothing_but_the_empty_text_can_be_put(site: "Site") -> None:
    made = create(site)
    say(site, made, *DELIVERED)
    with pytest.raises(SignalWireRestError) as caught:
        client(site).messages.update(made["id"], body="Bye")
    (entry,) = caught.value.body["errors"]
    assert (entry["attribute"], entry["code"]) == ("body", "body_must_be_empty")
    answer = site.http().patch(f"{MESSAGES}/{made['id']}", json={"body": "", "to": TO})
    assert answer.headers["Tidings-Ignored-Parameters"] == "to"


# --- logs
def test_a_walk_through_the_pages_meets_every_message_once(site: "Site") -> None:
    made = [create(site)["id"] for _ in range(5)]
    walk = client(site).logs.messages.paginate(page_size=2)
    met = [next(walk)["id"] for _ in range(2)]
    create(site)
    met += [entry["id"] for entry in walk]
    assert met == made[::-1]


def test_links_lead_from_page_to_page(site: "Site") -> None:
    for _ in range(3):
        create(site)
    http = site.http()
    first = http.get(LOGS, params={"page_size": 2, "odd": 1})
    assert first.headers["Tidings-Ignored-Parameters"] == "odd"
    links = first.json()["links"]
    assert links.keys() == {"self", "first", "next"}
    assert all(link.startswith(f"{site.url}{LOGS}?") for link in links.values())
    assert http.get(links["self"]).json() == first.json()
    second = http.get(links["next"]).json()
    assert len(second["data"]) == 1
    assert second["links"].keys() == {"self", "first", "prev"}
    assert http.get(second["links"]["prev"]).json()["data"] == first.json()["data"]


def test_logs_are_found_by_date(site: "Site") -> None:
    day = site.clock.time
    made = []
    for at in (day - DAY, day, day + DAY):
        site.clock.time = at
        made.append(create(site)["id"])

    def found(**asked: Any) -> list[str]:
        return [entry["id"] for entry in client(site).logs.messages.list(**asked)["data"]]

    assert found(created_on="2026-11-21") == [made[1]]
    assert found(created_before="2026-11-21") == [made[0]]
    assert found(created_after="2026-11-21") == [made[2], made[1]]
    assert found(created_after="2026-11-21", created_before="2026-11-22") == [made[1]]
    assert found(created_before="0001-01-01T00:00:00+14:00") == []
    assert found(created_after="9999-12-31T23:59:59-14:00") == []


def test_a_list_that_cannot_be_is_refused(site: "Site") -> None:
    answer = site.http().get(LOGS, params={"created_before": "soon", "page_number": 1, "page_size": 0})
    assert refused(answer) == [
        ("created_before", "datetime_required"),
        ("page_size", "invalid_parameter"),
        ("page_token", "page_token_required"),
    ]
    assert refused(site.http().get(f"{LOGS}?page_token=1")) == [("page_token", "page_token_is_invalid")]
    answer = site.http().get(f"{LOGS}?page_size=%zz")
    assert (answer.status_code, answer.json()) == (400, {"error": "Bad Request"})


def test_a_deleted_message_is_seen_by_whoever_asks_for_it(site: "Site") -> None:
    kept, gone = create(site), create(site)
    say(site, gone, *DELIVERED)
    site.run(site.delete(ACCOUNT.id, str(from_project(gone["id"]))))
    logs = client(site).logs.messages
    assert [entry["id"] for entry in logs.list()["data"]] == [kept["id"]]
    with_deleted = logs.list(include_deleted=True)["data"]
    assert [entry["id"] for entry in with_deleted] == [gone["id"], kept["id"]]
    assert site.http().get(f"{LOGS}/{gone['id']}").status_code == 404
    assert site.http().get(f"{LOGS}/{gone['id']}?include_deleted=true").json() == with_deleted[0]
    assert site.http().patch(f"{MESSAGES}/{gone['id']}", json={"body": ""}).status_code == 404


def test_messages_of_every_tongue_and_direction_are_logged(site: "Site") -> None:
    site.client().messages.create(to=TO, from_=FROM, body="Hello")
    now = site.clock.now()
    inbound = Message(
        id=new_id(now),
        account=ACCOUNT.id,
        dialect="signalwire_relay",
        direction=Direction.INBOUND,
        sender=TO,
        recipient=FROM,
        body="Hi",
        encoding=Encoding.GSM7,
        segments=1,
        callback_url=None,
        validity=None,
        created_at=now,
    )
    change = Change()
    change.messages.append(inbound)
    change.standings.append(Standing(inbound.id, Status.RECEIVED, 2, now))
    site.commit(change)
    received, sent = client(site).logs.messages.list()["data"]
    assert (received["direction"], received["status"], received["url"]) == ("inbound", "received", None)
    assert (sent["direction"], sent["source"], sent["type"]) == ("outbound-api", "laml", "laml_message")
    project = dashed(ACCOUNT.id)
    assert sent["url"] == f"{site.url}/api/laml/2010-04-01/Accounts/{project}/Messages/{sent['id']}"


# --- callbacks
def test_callbacks_keep_the_specification_and_are_taken_by_the_official_validator(site: "Site") -> None:
    made = create(site, status_callback=f"{CALLBACK}#ot=500", custom_variables={"order": "12345"})
    site.clock.time += 60 * SECOND
    say(site, made, *SENT, Evidence(Kind.UNDELIVERED, {}, 1, error=30003))
    message_id = str(from_project(made["id"]))
    message, _ = site.run(site.store.message(ACCOUNT.id, message_id)) or (None, None)
    assert message is not None
    account = msgspec.structs.replace(ACCOUNT, signing_key="PSK_of_the_first")
    bodies = []
    for event in site.run(site.store.events(message_id)):
        if not told(message, event):
            continue
        request = compose(Telling(message, event, Target.MESSAGE, account, site.clock.now(), 0))
        signature = dict(request.headers)[b"X-SignalWire-Signature"].decode()
        raw = request.body.decode()
        assert validate_webhook_signature("PSK_of_the_first", signature, CALLBACK, raw)
        assert not validate_webhook_signature(ACCOUNT.auth_token, signature, CALLBACK, raw)
        bodies.append(json.loads(raw))
        CALLBACK_SCHEMA.validate(bodies[-1])
    assert [body["status"] for body in bodies] == ["queued", "initiated", "sent", "undelivered"]
    assert [body["error_code"] for body in bodies] == [None, None, None, "unreachable_destination_handset"]
    assert [body["timestamp"][14:] for body in bodies] == ["28:16Z", "29:16Z", "29:16Z", "29:16Z"]
    assert {json.dumps(body["custom_variables"]) for body in bodies} == {'{"order": "12345"}'}
    assert {(body["id"], body["project_id"]) for body in bodies} == {(made["id"], made["project_id"])}


def test_what_was_redacted_is_told_without_its_text(site: "Site") -> None:
    made = create(site, status_callback=CALLBACK)
    say(site, made, *DELIVERED)
    client(site).messages.update(made["id"], body="")
    message_id = str(from_project(made["id"]))
    found = site.run(site.store.message(ACCOUNT.id, message_id))
    assert found is not None
    first, *_ = site.run(site.store.events(message_id))
    request = compose(Telling(found[0], first, Target.MESSAGE, ACCOUNT, site.clock.now(), 0))
    assert json.loads(request.body)["body"] == ""
    assert re.search(rb'"status":"queued"', request.body)
