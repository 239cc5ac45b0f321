"""Our own API, and that its description tells the truth about it."""

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Route, Router

from tests.web.description import DESCRIPTION, described
from tidings.arranged import Service
from tidings.clock import HOUR, SECOND, iso
from tidings.errors import CATALOGUE
from tidings.gateway.ledger import Evidence
from tidings.ids import dashed, new_id
from tidings.lifecycle import Kind
from tidings.model import CallbackState, KeptReceipt
from tidings.store.base import CallbackFilter, Change, StoreError
from tidings.web.app import build

if TYPE_CHECKING:
    from schemathesis import Case

    from tests.web.conftest import Site

ACCOUNT = "0a" * 16
FROM, TO = "+15005550006", "+15551230000"
INTENT = Evidence(Kind.INTENT, {"carrier": "main"}, 1, carrier="main")
ACCEPTED = Evidence(Kind.ACCEPTED, {"carrier_id": "38601fa"}, 1, carrier_id="38601fa", carrier_key="38601fa")


def create(site: "Site", body: str = "Hello") -> str:
    """The new message's id."""
    sid: str = site.client().messages.create(to=TO, from_=FROM, body=body).sid
    return sid[2:]


def message(site: "Site", id: str) -> Any:
    return described("/v1/messages/{id}", site.http().get(f"/v1/messages/{id}"))


# --- a message
def test_a_new_message_waits_for_its_carrier(site: "Site") -> None:
    made = create(site)
    now = iso(site.clock.now())
    assert message(site, made) == {
        "id": made,
        "sid": "SM" + made,
        "account": ACCOUNT,
        "dialect": "twilio",
        "direction": "outbound-api",
        "from": FROM,
        "to": TO,
        "body": "Hello",
        "channel": "sms",
        "encoding": "gsm7",
        "segment_count": 1,
        "media_count": 0,
        "status": "queued",
        "error": None,
        "carrier": "main",
        "tries": 0,
        "event_count": 1,
        "validity": None,
        "callback_url": None,
        "created_at": now,
        "updated_at": now,
        "sent_at": None,
        "due_at": now,
        "redacted_at": None,
        "service": None,
        "price": 0.0079,
        "segments": [],
        "delivery_unknown": None,
    }


def test_the_password_in_a_callback_url_is_not_shown(site: "Site") -> None:
    url = "https://user:secret@a.example/x?to=b@c"
    made = site.client().messages.create(to=TO, from_=FROM, body="Hello", status_callback=url)
    assert message(site, made.sid)["callback_url"] == "https://***@a.example/x?to=b@c"


def test_a_message_is_found_by_any_spelling_of_its_id(site: "Site") -> None:
    made = create(site)
    for spelling in (made, made.upper(), "SM" + made, "MM" + made, dashed(made), dashed(made).upper()):
        assert message(site, spelling)["id"] == made


def test_every_segment_has_its_own_truth(site: "Site") -> None:
    made = create(site)
    site.say(made, INTENT, ACCEPTED)
    sent_at = iso(site.clock.now())
    site.clock.time += SECOND
    site.say(made, Evidence(Kind.UNDELIVERED, {}, 1, error=30003))
    told = message(site, made)
    error = {"code": 30003, "message": CATALOGUE[30003].message}
    assert (told["status"], told["error"], told["sent_at"]) == ("undelivered", error, sent_at)
    assert told["segments"] == [
        {
            "part": 1,
            "state": "undelivered",
            "carrier": "main",
            "carrier_id": "38601fa",
            "error": error,
            "submitted_at": sent_at,
            "answered_at": sent_at,
            "settled_at": iso(site.clock.now()),
        }
    ]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ((), None),
        ((INTENT,), None),
        ((INTENT, Evidence(Kind.UNCERTAIN, {}, 1)), "uncertain_submission"),
        ((INTENT, ACCEPTED), "no_receipt"),
        ((INTENT, ACCEPTED, Evidence(Kind.PROGRESS, {}, 1)), "no_receipt"),
        ((INTENT, ACCEPTED, Evidence(Kind.UNKNOWN, {}, 1)), "carrier_unknown"),
        ((INTENT, ACCEPTED, Evidence(Kind.DELIVERED, {}, 1)), None),
        ((INTENT, ACCEPTED, Evidence(Kind.UNDELIVERED, {}, 1, error=30003)), None),
    ],
)
def test_delivery_is_unknown_an_hour_after_nothing_more_was_heard(
    site: "Site", said: tuple[Evidence, ...], reason: str | None
) -> None:
    made = create(site)
    site.say(made, *said)
    site.clock.time += HOUR - 1
    assert message(site, made)["delivery_unknown"] is None
    site.clock.time += 1
    assert message(site, made)["delivery_unknown"] == reason


# --- its history
def test_the_history_holds_all_evidence(site: "Site") -> None:
    made = create(site)
    site.say(made, INTENT, ACCEPTED)
    site.say(
        made, Evidence(Kind.DELIVERED, {"word": "DELIVRD"}, 1), Evidence(Kind.PROGRESS, {"word": "ENROUTE"}, 1)
    )
    now = site.clock.now()
    change = Change()
    receipt = KeptReceipt(new_id(now), "main", now, made, 1, "00ff", {"word": "DELIVRD"})
    change.receipts.append(receipt)
    callback = site.owe(
        made, 4, state=CallbackState.RETRYING, attempts=2, response=503, due_at=now + SECOND, done_at=None
    )
    site.commit(change)
    path = "/v1/messages/{id}/events"
    told = described(path, site.http().get(path.format(id=made)))
    assert told["message_id"] == made
    events = [(event["number"], event["kind"], event["status"], event["applied"]) for event in told["events"]]
    assert events == [
        (1, "created", "queued", True),
        (2, "intent", "sending", True),
        (3, "accepted", "sent", True),
        (4, "delivered", "delivered", True),
        (5, "progress", "delivered", False),
    ]
    assert [event["moved"] for event in told["events"]] == [True, True, True, True, False]
    assert told["events"][3]["detail"] == {"word": "DELIVRD"}
    (kept,) = told["receipts"]
    assert kept == {
        "id": receipt.id,
        "carrier": "main",
        "received_at": iso(now),
        "part": 1,
        "raw": "00ff",
        "receipt": {"word": "DELIVRD"},
    }
    assert told["callbacks"] == [
        {
            "id": made + "-4",
            "message_id": made,
            "event": 4,
            "target": "message",
            "host": callback.host,
            "state": "retrying",
            "attempts": 2,
            "response": 503,
            "error": {"code": 11200, "message": CATALOGUE[11200].message},
            "created_at": iso(now),
            "owed_since": iso(now),
            "due_at": iso(now + SECOND),
            "done_at": None,
            "replay": None,
        }
    ]


# --- the feed
def test_the_feed_tells_everything_once_in_the_order_it_was_kept(site: "Site") -> None:
    first, second = create(site), create(site)
    site.say(first, INTENT, ACCEPTED)
    told, after = [], "0"
    while page := feed(site, after=after, limit=2)["events"]:
        told += [(event["message_id"], event["number"]) for event in page]
        after = page[-1]["cursor"]
    assert told == [(first, 1), (second, 1), (first, 2), (first, 3)]
    assert feed(site, after=after) == {"events": [], "next": after}
    site.say(second, INTENT)
    later = feed(site, after=after)
    assert [(event["message_id"], event["kind"]) for event in later["events"]] == [(second, "intent")]
    assert later["next"] == later["events"][-1]["cursor"]
    assert feed(site) == {"events": feed(site, after="0")["events"], "next": later["next"]}


def feed(site: "Site", **query: Any) -> Any:
    return described("/v1/events", site.http().get("/v1/events", params=query))


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("limit=0", 422, 20422),
        ("limit=1001", 422, 20422),
        ("limit=x", 422, 20422),
        ("after=-1", 422, 20422),
        ("after=" + "9" * 19, 422, 20422),
        ("after=%ff", 400, 20001),
        ("a&" * 1000, 413, 20413),
    ],
)
def test_a_feed_that_cannot_be_given_is_refused(site: "Site", query: str, status: int, code: int) -> None:
    answer = site.http().get(f"/v1/events?{query}")
    problem = described("/v1/events", answer)
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)


# --- problems
def test_accounts_see_only_their_own(site: "Site") -> None:
    made = create(site)
    token = "token of the second"
    other = httpx.Client(base_url=site.url, auth=("AC" + "0b" * 16, token))
    assert other.get("/v1/events").json()["events"] == []
    for path in ("/v1/messages/{id}", "/v1/messages/{id}/events"):
        answer = other.get(path.format(id=made))
        assert answer.status_code == 404
        assert described(path, answer)["code"] == 20404


def test_strangers_are_401(site: "Site") -> None:
    for path in ("/v1/messages/{id}", "/v1/messages/{id}/events", "/v1/events"):
        answer = site.http(None).get(path)
        problem = described(path, answer)
        assert (answer.status_code, problem["type"]) == (401, "urn:tidings:error:20003")
        assert problem["title"] == CATALOGUE[20003].message
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/messages/x", "/health/x", f"/v1/messages/{'0' * 32}"])
def test_what_is_not_there_is_404_in_our_words(site: "Site", path: str) -> None:
    answer = site.http().get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert path in answer.json()["detail"]


def test_only_what_is_described_is_possible(site: "Site") -> None:
    for path, operations in DESCRIPTION["paths"].items():
        possible = {method.upper() for method in operations} | ({"HEAD"} if "get" in operations else set())
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - possible:
            answer = site.http().request(method, path)
            assert (answer.status_code, answer.headers["Allow"]) == (405, ", ".join(sorted(possible)))
            if method != "HEAD":
                assert described(path, answer, next(iter(operations)))["code"] == 20004


def test_a_failure_of_ours_is_a_problem_too(
    site: "Site", caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for failure, status in ((RuntimeError("a cable came loose"), 500), (StoreError("disk full"), 503)):

        async def fail(*_: Any, failure: Exception = failure) -> None:
            raise failure

        monkeypatch.setattr(site.store, "feed", fail)
        caplog.clear()
        answer = site.http().get("/v1/events")
        assert answer.status_code == status
        assert str(failure) not in described("/v1/events", answer)["detail"]
        (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert record.exc_info
        assert record.exc_info[1] is failure


# --- health
def test_a_process_that_answers_is_live(site: "Site") -> None:
    assert described("/health/live", site.http(None).get("/health/live")) == {"live": True}


@pytest.mark.parametrize(
    ("store", "carriers", "draining", "status"),
    [
        (True, {"main": True, "reserve": False}, False, 200),
        (True, {"main": False, "reserve": False}, False, 503),
        (True, {}, False, 503),
        (False, {"main": True}, False, 503),
        (True, {"main": True}, True, 503),
    ],
)
def test_ready_is_with_a_store_and_a_carrier_and_without_draining(
    site: "Site", store: bool, carriers: dict[str, bool], draining: bool, status: int
) -> None:
    site.up = {"store": store, "carriers": carriers}
    site.draining = draining
    answer = site.http(None).get("/health/ready")
    assert answer.status_code == status
    assert described("/health/ready", answer) == {
        "ready": status == 200,
        "draining": draining,
        "store": store,
        "carriers": carriers,
    }


# --- the description
def test_the_description_is_served_as_it_is_packaged(site: "Site") -> None:
    assert described("/v1/openapi.json", site.http(None).get("/v1/openapi.json")) == DESCRIPTION


def test_every_route_of_ours_is_described_and_every_description_is_a_route(site: "Site") -> None:
    app = build(site)
    assert isinstance(app, Router)
    paths = {route.path for route in app.routes if isinstance(route, Route)}
    # Twilio's (/v1/Alerts, /v1/Services …) are for Twilio to describe.
    ours = {path for path in paths if re.match("/v1/[a-z]|/health/", path)}
    assert ours == DESCRIPTION["paths"].keys()


def test_every_response_has_an_example_that_is_valid() -> None:
    for path, operations in DESCRIPTION["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if "$ref" in response:
                    response = DESCRIPTION["components"]["responses"][response["$ref"].rpartition("/")[2]]
                if status == "204":
                    assert "content" not in response
                    continue
                ((content_type, content),) = response["content"].items()
                example = content["example"]
                answer = httpx.Response(
                    int(status),
                    content=json.dumps(example) if content_type.endswith("json") else example,
                    headers={"Content-Type": content_type},
                )
                described(path, answer, method)


LOGIN = {"username": "AC" + ACCOUNT, "password": "token of the first"}
SCHEMA = schemathesis.openapi.from_dict(
    DESCRIPTION, config=SchemathesisConfig.from_dict({"auth": {"openapi": {"basic": LOGIN}}})
)


@SCHEMA.parametrize()
# The site lasts for all examples, and is meant to.
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_request_finds_a_5xx_or_an_answer_that_is_not_described(case: "Case[Any]", site: "Site") -> None:
    # No schema tells which lines of a file are good.
    unfit: list[Any] = [positive_data_acceptance] if case.media_type == "text/csv" else []
    case.call_and_validate(base_url=site.url, excluded_checks=unfit)
    for name in case.path_parameters:
        # Some of its requests are meant to be wrong, and with an id that is there may be right: any answer will do
        # that is described.
        case.path_parameters[name] = _THERE[case.path.split("/")[2]](site)
        case.call_and_validate(base_url=site.url, checks=[status_code_conformance, response_schema_conformance])


def tried(site: "Site") -> str:
    """The id of a new callback."""
    callback = site.owe(create(site))
    site.attempt(callback)
    return f"{callback.message_id}-1"


def replayed(site: "Site") -> str:
    """The id of a new replay."""
    return site.run(site.replay(ACCOUNT, CallbackFilter(states=(CallbackState.GIVEN_UP,)))).id


def owned(_: "Site") -> str:
    """A number of the account."""
    return FROM


def pooled(site: "Site") -> str:
    """The id of a service."""
    site.run(site.store.put_resource(Service("1a" * 16, ACCOUNT, 0, 0)))
    return "1a" * 16


_THERE = {
    "messages": create,
    "callbacks": tried,
    "replays": replayed,
    "numbers": owned,
    "opt-outs": owned,
    "services": pooled,
}
