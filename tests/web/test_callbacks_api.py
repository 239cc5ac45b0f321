"""Our own API for callbacks: listing, attempts with what was signed, hosts, and telling again."""

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from tests.web.description import described
from tidings.callbacks.breaker import TRIPS_AFTER
from tidings.clock import DAY, HOUR, SECOND, iso
from tidings.errors import CATALOGUE
from tidings.gateway.ledger import Evidence
from tidings.ids import dashed, new_id
from tidings.lifecycle import Kind
from tidings.model import CallbackState, Target

if TYPE_CHECKING:
    from tests.web.conftest import Site

OTHERS: dict[str, Any] = {
    "host": "https://other.example.com:8443",
    "error": 11205,
    "target": Target.ACCOUNT,
    "state": CallbackState.DONE,
}
NOBODYS = "0" * 32


def create(site: "Site", **asked: str) -> str:
    """The new message's id."""
    made: str = (
        site.client().messages.create(**{"to": "+15551230000", "from_": "+15005550006", "body": "x"} | asked).sid
    )
    return made[2:]


def listed(site: "Site", **query: Any) -> list[str]:
    """The ids of the callbacks that are found."""
    answer = described("/v1/callbacks", site.http().get("/v1/callbacks", params=query))
    return [callback["id"] for callback in answer["callbacks"]]


def fetched(site: "Site", id: str) -> Any:
    return described("/v1/callbacks/{id}", site.http().get(f"/v1/callbacks/{id}"))


def replay(site: "Site", **form: Any) -> Any:
    answer = site.http().post("/v1/replays", data=form)
    assert answer.status_code == 202
    return described("/v1/replays", answer, "post")


def progress(site: "Site", id: str) -> Any:
    return described("/v1/replays/{id}", site.http().get(f"/v1/replays/{id}"))


# --- lists
def test_callbacks_are_listed_newest_message_first_and_in_it_the_last_event_first(site: "Site") -> None:
    first, second = create(site), create(site)
    for message, number in ((first, 1), (first, 2), (second, 1)):
        site.owe(message, number)
    site.owe(first, 2, target=Target.ACCOUNT)
    found = listed(site)
    assert found[0] == f"{second}-1"
    assert {found[1], found[2]} == {f"{first}-2", f"{first}-2-account"}
    assert found[3:] == [f"{first}-1"]


def test_pages_follow_each_other_without_gap_or_repetition(site: "Site") -> None:
    message = create(site)
    for number in range(1, 6):
        site.owe(message, number)
    pages = []
    after: dict[str, str] = {}
    while True:
        page = described("/v1/callbacks", site.http().get("/v1/callbacks", params={"limit": 2, **after}))
        pages.append([callback["event"] for callback in page["callbacks"]])
        if page["next"] is None:
            break
        site.owe(create(site))  # what is new comes before what was listed
        after = {"after": page["next"]}
    assert pages == [[5, 4], [3, 2], [1]]


def test_a_last_page_that_is_full_leads_nowhere(site: "Site") -> None:
    site.owe(create(site))
    assert site.http().get("/v1/callbacks?limit=1").json()["next"] is None


@pytest.mark.parametrize(
    ("query", "usual", "other"),
    [
        ({}, True, True),
        ({"state": "given_up"}, True, False),
        ({"state": "done"}, False, True),
        ({"state": ["done", "given_up", "done"]}, True, True),
        ({"state": ["owed", "retrying"]}, False, False),
        ({"host": "https://app.example.com:443"}, True, False),
        ({"host": OTHERS["host"]}, False, True),
        ({"error": 11200}, True, False),
        ({"target": "message"}, True, False),
        ({"target": "account"}, False, True),
        ({"target": "account", "error": 11200}, False, False),
    ],
)
def test_callbacks_are_filtered(site: "Site", query: dict[str, Any], usual: bool, other: bool) -> None:
    message = create(site)
    site.owe(message, 1)
    site.owe(message, 2, **OTHERS)
    assert listed(site, **query) == [f"{message}-2-account"] * other + [f"{message}-1"] * usual


def test_callbacks_of_one_message_are_found_by_any_spelling_of_its_id(site: "Site") -> None:
    message = create(site)
    site.owe(message)
    site.owe(create(site))
    for spelling in (message, "SM" + message, dashed(message)):
        assert listed(site, message=spelling) == [f"{message}-1"]
    assert listed(site, message=NOBODYS) == []


def test_callbacks_are_found_by_the_time_of_their_event(site: "Site") -> None:
    # A day before, one at its last microsecond, and one in the day after.
    day = site.clock.now() // DAY * DAY
    made = {}
    for at in (day - 1, day, day + DAY - 1, day + DAY):
        site.clock.time = at
        made[at] = site.owe(create(site)).message_id + "-1"
    date, next_date = iso(day)[:10], iso(day + DAY)[:10]
    of_day = [made[day + DAY - 1], made[day]]
    assert listed(site, **{"from": date, "to": date}) == of_day
    assert listed(site, **{"from": date}) == [made[day + DAY], *of_day]
    assert listed(site, **{"from": f"{date}T02:00:00+02:00", "to": f"{next_date}T00:00:00Z"}) == of_day
    assert listed(site, to=iso(day)) == [made[day - 1]]
    assert listed(site, to="0001-01-01") == []
    assert len(listed(site, **{"from": "0001-01-01T00:00:00+14:00", "to": "9999-12-31"})) == 4


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("state=lost", "state"),
        ("state=", "state"),
        ("host=app.example.com", "host"),
        ("host=https://app.example.com", "host"),
        ("host=", "host"),
        ("error=x", "error"),
        ("error=0", "error"),
        ("message=SM1", "message"),
        ("target=nobody", "target"),
        ("from=yesterday", "from"),
        ("from=2026-02-30", "from"),
        ("from=2026-11-21T17:28:16", "from"),
        ("to=2026-11-21T17:28:16+01:00", "to"),  # a plus that was not encoded is a space
        ("to=20261121", "to"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=1&limit=2", "limit"),
        ("after=x", "after"),
        (f"after={NOBODYS}", "after"),
        ("status=given_up", "status"),
        ("State=given_up", "State"),
    ],
)
def test_a_parameter_that_cannot_be_obeyed_is_named(site: "Site", query: str, named: str) -> None:
    answer = site.http().get(f"/v1/callbacks?{query}")
    assert answer.status_code == 422
    assert described("/v1/callbacks", answer)["detail"].startswith(f"{CATALOGUE[20422].message}: {named}: ")


# --- one callback
def test_a_callback_shows_every_attempt_and_what_was_signed(site: "Site") -> None:
    callback = site.owe(create(site), attempts=2)
    refused, unanswered = (
        site.attempt(callback),
        site.attempt(
            callback,
            2,
            connected=None,
            first_byte=None,
            elapsed=5_000_000,
            response=None,
            response_headers="",
            response_body="",
            error=11205,
            detail="",
        ),
    )
    told = fetched(site, f"{callback.message_id}-1")
    first, second = told.pop("attempt_log")
    assert told == site.http().get("/v1/callbacks").json()["callbacks"][0]
    assert first == {
        "id": refused.id,
        "ordinal": 1,
        "at": iso(refused.at),
        "timings": {"connected": 1.5, "first_byte": 20.25, "total": 21.0},
        "request": {
            "method": "POST",
            "url": "https://***@app.example.com/status?of=all",
            "headers": [
                ["Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"],
                ["X-Twilio-Signature", "c2lnbmF0dXJl"],
            ],
            "body": "MessageStatus=sent&To=%2B15551230000",
        },
        "response": {
            "status": 500,
            "headers": [["Content-Type", "text/html"], ["Server", "nginx"]],
            "body": "<h1>Oops</h1>",
        },
        "error": {"code": 11200, "message": CATALOGUE[11200].message},
        "detail": "redirected once",
        "signature": {
            "header": "X-Twilio-Signature",
            "signature": "c2lnbmF0dXJl",
            "algorithm": "HMAC-SHA1, base64",
            "key": "auth token",
            "string": "https://***@app.example.com/status?of=allMessageStatussentTo+15551230000",
            "parts": [
                ["URL", "https://***@app.example.com/status?of=all"],
                ["MessageStatus", "sent"],
                ["To", "+15551230000"],
            ],
        },
    }
    assert (second["id"], second["ordinal"], second["response"]) == (unanswered.id, 2, None)
    assert second["timings"] == {"connected": None, "first_byte": None, "total": 5000.0}
    assert second["error"]["code"] == 11205


def test_an_attempt_that_was_not_signed_says_so(site: "Site") -> None:
    callback = site.owe(create(site))
    site.attempt(callback, headers="Content-Type: text/plain")
    (attempt,) = fetched(site, f"{callback.message_id}-1")["attempt_log"]
    assert attempt["signature"] is None


def test_the_two_callbacks_of_an_event_are_told_apart(site: "Site") -> None:
    message = create(site)
    site.attempt(site.owe(message))
    site.owe(message, **OTHERS)
    assert len(fetched(site, f"{message}-1")["attempt_log"]) == 1
    account_wide = fetched(site, f"{message}-1-account")
    assert (account_wide["target"], account_wide["attempt_log"]) == ("account", [])


# --- hosts
def test_hosts_are_shown_with_the_state_of_their_breaker(site: "Site") -> None:
    message = create(site, status_callback="https://app.example.com/status")
    assert described("/v1/callbacks/hosts", site.http().get("/v1/callbacks/hosts")) == {"hosts": []}
    intent = Evidence(Kind.INTENT, {}, 1, carrier="main")
    site.say(message, intent, Evidence(Kind.ACCEPTED, {}, 1, carrier_id="1"))

    def report() -> Any:
        (host,) = described("/v1/callbacks/hosts", site.http().get("/v1/callbacks/hosts"))["hosts"]
        return host

    usual = {"host": "https://app.example.com:443", "failures": 0, "last_error": None, "outstanding": 1}
    assert report() == {**usual, "state": "closed", "probe_at": None}
    (host,) = site.delivery._hosts.values()
    for _ in range(TRIPS_AFTER):
        host.breaker.failed(site.clock.now(), 11205)
    assert host.breaker.probe_at is not None
    error = {"code": 11205, "message": CATALOGUE[11205].message}
    failing = {**usual, "failures": TRIPS_AFTER, "last_error": error, "probe_at": iso(host.breaker.probe_at)}
    assert report() == {**failing, "state": "open"}
    site.clock.time = host.breaker.probe_at
    assert report() == {**failing, "state": "half_open"}


# --- telling again
def test_one_callback_is_told_again(site: "Site") -> None:
    callback = site.owe(create(site), attempts=31)
    site.clock.time += HOUR
    path = "/v1/callbacks/{id}/replay"
    answer = site.http().post(path.format(id=f"{callback.message_id}-1"))
    told = described(path, answer, "post")
    now = iso(site.clock.now())
    assert answer.status_code == 202
    assert (told["state"], told["attempts"], told["done_at"]) == ("owed", 31, None)
    assert (told["owed_since"], told["due_at"], told["created_at"]) == (now, now, iso(callback.created_at))
    assert listed(site, state="owed") == [told["id"]]


@pytest.mark.parametrize("state", ["owed", "retrying"])
def test_what_is_owed_already_is_not_told_twice(site: "Site", state: str) -> None:
    callback = site.owe(create(site), state=CallbackState(state), done_at=None)
    path = "/v1/callbacks/{id}/replay"
    answer = site.http().post(path.format(id=f"{callback.message_id}-1"))
    assert (answer.status_code, described(path, answer, "post")["code"]) == (409, 20009)


def test_a_replay_tells_again_what_was_given_up(site: "Site") -> None:
    messages = [create(site) for _ in range(3)]
    for message in messages:
        site.owe(message, 1, state=CallbackState.DONE, error=None)
        site.owe(message, 2)
    begun = replay(site)
    assert begun["where"] == {"state": ["given_up"]}
    assert begun["made_at"] == iso(site.clock.now())
    site.until_ended(begun["id"])
    ended = progress(site, begun["id"])
    assert (ended["requeued"], ended["ended_at"]) == (3, iso(site.clock.now()))
    assert ended["progress"] == {"owed": 3, "retrying": 0, "done": 0, "given_up": 0}
    assert listed(site, state="owed") == [f"{message}-2" for message in reversed(messages)]
    assert fetched(site, f"{messages[0]}-2")["replay"] == begun["id"]
    assert fetched(site, f"{messages[0]}-1")["replay"] is None


def test_a_replay_goes_by_its_filter_and_shows_it(site: "Site") -> None:
    message, other = create(site), create(site)
    site.owe(message, 1)
    site.owe(message, 1, **OTHERS)
    site.owe(other, 1, **OTHERS)
    now = site.clock.now()
    where = {
        "state": ["done", "given_up"],
        "host": OTHERS["host"],
        "error": 11205,
        "message": message,
        "target": "account",
        "from": iso(now),
        "to": iso(now + SECOND),
    }
    begun = replay(site, **where | {"message": "SM" + message})
    assert begun["where"] == where
    site.until_ended(begun["id"])
    assert listed(site, state="owed") == [f"{message}-1-account"]


def test_replays_are_listed_newest_first(site: "Site") -> None:
    assert described("/v1/replays", site.http().get("/v1/replays")) == {"replays": []}
    begun = []
    for state in ("given_up", "done"):
        begun.append(replay(site, state=state))
        site.until_ended(begun[-1]["id"])
        site.clock.time += SECOND
    shown = described("/v1/replays", site.http().get("/v1/replays"))["replays"]
    assert [each["id"] for each in shown] == [begun[1]["id"], begun[0]["id"]]
    assert shown[0] == progress(site, begun[1]["id"])


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ("state=owed", "state"),
        ("state=given_up&state=retrying", "state"),
        ("host=x", "host"),
        ("limit=10", "limit"),
        (f"after={NOBODYS}-1", "after"),
        ("until=2026-11-21", "until"),
        ("from=2026-11-21&from=2026-11-22", "from"),
    ],
)
def test_a_replay_that_cannot_be_as_it_was_meant_is_refused(site: "Site", form: str, named: str) -> None:
    site.owe(create(site))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = site.http().post("/v1/replays", content=form, headers=headers)
    assert answer.status_code == 422
    assert f": {named}: " in described("/v1/replays", answer, "post")["detail"]
    assert site.http().get("/v1/replays").json() == {"replays": []}


def test_a_filter_in_the_query_of_a_replay_is_refused(site: "Site") -> None:
    # It would be ignored, and everything told again.
    answer = site.http().post("/v1/replays?host=https://app.example.com:443")
    assert (answer.status_code, described("/v1/replays", answer, "post")["code"]) == (422, 20422)
    assert site.http().get("/v1/replays").json() == {"replays": []}


def test_a_replay_that_is_no_form_is_refused(site: "Site") -> None:
    answer = site.http().post("/v1/replays", json={"state": "given_up"})
    assert (answer.status_code, described("/v1/replays", answer, "post")["code"]) == (400, 20001)


# --- what is not there, and whose it is
def ways(callback: str, replay: str) -> list[tuple[str, str, str]]:
    """Method, described path and path of every look at one thing."""
    return [
        ("get", "/v1/callbacks/{id}", f"/v1/callbacks/{callback}"),
        ("post", "/v1/callbacks/{id}/replay", f"/v1/callbacks/{callback}/replay"),
        ("get", "/v1/replays/{id}", f"/v1/replays/{replay}"),
    ]


@pytest.mark.parametrize(
    "id", ["x", NOBODYS, f"{NOBODYS}-1", f"{NOBODYS}-0", f"{NOBODYS}-1-message", f"SM{NOBODYS}-1", "€"]
)
def test_what_is_not_there_is_404(site: "Site", id: str) -> None:
    for method, described_path, path in ways(quote(id), quote(id)):
        answer = site.http().request(method, path)
        assert (answer.status_code, described(described_path, answer, method)["code"]) == (404, 20404)


def test_accounts_see_and_replay_only_their_own(site: "Site") -> None:
    callback = site.owe(create(site))
    site.attempt(callback)
    begun = replay(site, state="done")
    http = site.other()
    assert http.get("/v1/callbacks").json() == {"callbacks": [], "next": None}
    assert http.get("/v1/replays").json() == {"replays": []}
    for method, described_path, path in ways(f"{callback.message_id}-1", begun["id"]):
        answer = http.request(method, path)
        assert (answer.status_code, described(described_path, answer, method)["code"]) == (404, 20404)
    own = http.post("/v1/replays").json()
    site.until_ended(own["id"])
    assert fetched(site, f"{callback.message_id}-1")["state"] == "given_up"


def test_hosts_of_others_are_not_shown(site: "Site") -> None:
    callback = site.owe(create(site))
    site.http().post(f"/v1/callbacks/{callback.message_id}-1/replay")
    assert len(site.http().get("/v1/callbacks/hosts").json()["hosts"]) == 1
    assert site.other().get("/v1/callbacks/hosts").json() == {"hosts": []}


def test_strangers_are_401(site: "Site") -> None:
    callback = f"{new_id(site.clock.now())}-1"
    every = [
        *ways(callback, NOBODYS),
        *(("get", path, path) for path in ("/v1/callbacks", "/v1/callbacks/hosts", "/v1/replays")),
        ("post", "/v1/replays", "/v1/replays"),
    ]
    for method, described_path, path in every:
        answer: httpx.Response = site.http(None).request(method, path)
        assert (answer.status_code, described(described_path, answer, method)["code"]) == (401, 20003)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/v1/callbacks/{id}"),
        ("post", "/v1/callbacks/{id}/replay"),
        ("get", "/v1/callbacks/hosts"),
        ("get", "/v1/replays"),
        ("get", "/v1/replays/{id}"),
    ],
)
def test_parameters_where_there_are_none_are_refused(site: "Site", method: str, path: str) -> None:
    answer = site.http().request(method, path.format(id=f"{NOBODYS}-1"), params={"state": "done"})
    assert (answer.status_code, described(path, answer, method)["code"]) == (422, 20422)
