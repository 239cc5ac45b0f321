"""Twilio's Messages API, asked by Twilio's own client; what that client hides is asked by a plain one."""

import base64
import logging
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException

from tidings.clock import DAY, instant
from tidings.errors import CATALOGUE
from tidings.gateway.ledger import Evidence
from tidings.lifecycle import Kind
from tidings.model import ApiKey, OptOut
from tidings.store.base import Change, StoreError

if TYPE_CHECKING:
    from tests.web.conftest import Site

FROM, TO = "+15005550006", "+15551230000"
ACCOUNT = "0a" * 16
OTHER = "0b" * 16
CLOSED = "0c" * 16
MESSAGES = f"/2010-04-01/Accounts/AC{ACCOUNT}/Messages.json"
FORM = {"To": TO, "From": FROM, "Body": "Hello"}
PICTURE = "https://a.example/cat.png"
SENT = (Evidence(Kind.INTENT, {}, 1, carrier="main"), Evidence(Kind.ACCEPTED, {}, 1, carrier_id="1"))


def create(site: "Site", **changed: str) -> Any:
    return site.client().messages.create(**{"to": TO, "from_": FROM, "body": "Hello"} | changed)


# --- the account
def test_an_account_sees_itself_and_nobody_sees_its_token(site: "Site") -> None:
    mine = site.client().api.accounts("AC" + ACCOUNT).fetch()
    assert (mine.sid, mine.owner_account_sid, mine.friendly_name) == ("AC" + ACCOUNT, "AC" + ACCOUNT, "first")
    assert (mine.status, mine.type, mine.auth_token) == ("active", "Full", None)
    for path in mine.subresource_uris.values():
        site.http().get(path).raise_for_status()
    with pytest.raises(TwilioRestException) as refused:
        site.client().api.accounts("AC" + OTHER).fetch()
    assert (refused.value.status, refused.value.code) == (401, 20003)


# --- create and fetch
def test_a_created_message_is_queued_and_can_be_fetched(site: "Site") -> None:
    made = create(site, body="Hello \N{WAVING HAND SIGN}", status_callback="https://a.example/status#rc=2")
    assert re.fullmatch("SM[0-9a-f]{32}", made.sid)
    assert (made.status, made.direction, made.from_, made.to) == ("queued", "outbound-api", FROM, TO)
    assert (made.body, made.num_segments, made.num_media) == ("Hello \N{WAVING HAND SIGN}", "1", "0")
    assert (made.price, made.price_unit, made.error_code, made.error_message) == (None, "USD", None, None)
    assert made.date_created == made.date_updated == instant(site.clock.now()).replace(microsecond=0)
    assert made.date_sent is None
    fetched = site.client().messages(made.sid).fetch()
    shown = [name for name in vars(made) if not name.startswith("_")]
    assert {name: getattr(fetched, name) for name in shown} == {name: getattr(made, name) for name in shown}
    assert site.client().messages(made.sid).media.list() == []


def test_a_message_that_ended_badly_says_why(site: "Site") -> None:
    made = create(site)
    site.say(made.sid, *SENT)
    assert made.fetch().status == "sent"
    assert made.fetch().date_sent == instant(site.clock.now()).replace(microsecond=0)
    site.say(made.sid, Evidence(Kind.UNDELIVERED, {}, 1, error=30003))
    ended = made.fetch()
    assert (ended.status, ended.error_code) == ("undelivered", 30003)
    assert ended.error_message == CATALOGUE[30003].message


@pytest.mark.parametrize("spelling", ["SM{}", "MM{}"])
def test_a_sid_is_found_whatever_its_prefix_and_case(site: "Site", spelling: str) -> None:
    made = create(site)
    assert site.client().messages(spelling.format(made.sid[2:].upper())).fetch().sid == made.sid


def test_of_a_parameter_given_twice_the_last_one_counts(site: "Site") -> None:
    answer = site.http().post(MESSAGES, data=FORM | {"Body": ["first", "last"]})
    assert (answer.status_code, answer.json()["body"]) == (201, "last")


# --- errors, as the client tells them
REFUSED = [
    ({"to": "123"}, 400, 21211),
    ({"to": FROM}, 400, 21211),
    ({"to": "+4915112345678"}, 400, 21612),
    ({"from_": "?"}, 400, 21212),
    ({"from_": "+15005550009"}, 400, 21606),
    ({"body": ""}, 400, 21602),
    ({"body": "x" * 1601}, 400, 21617),
    ({"body": "\N{WAVING HAND SIGN}" * 801}, 400, 21617),
    ({"status_callback": "http://my_app.example"}, 400, 21609),
    ({"validity_period": "0"}, 400, 21624),
    ({"media_url": [PICTURE], "to": "+447911123456"}, 400, 21621),
    ({"media_url": ["cat.png"]}, 400, 21620),
    ({"media_url": [PICTURE] * 11}, 400, 21623),
    ({"messaging_service_sid": "MG" + "0" * 32}, 404, 21701),
    ({"messaging_service_sid": "MG" + "0" * 32, "from_": None}, 404, 21701),
    ({"messaging_service_sid": "MG1"}, 400, 21705),
    ({"application_sid": "AP" + "0" * 32}, 400, 21218),
    ({"max_price": "cheap"}, 400, 21627),
    ({"schedule_type": "fixed", "send_at": datetime(2026, 12, 1, tzinfo=UTC)}, 400, 35118),
    ({"content_sid": "HX" + "0" * 32}, 400, 21655),
    ({"smart_encoded": "perhaps"}, 422, 20422),
]


@pytest.mark.parametrize(("changed", "status", "code"), REFUSED)
def test_a_refusal_reads_as_twilios(site: "Site", changed: dict[str, Any], status: int, code: int) -> None:
    with pytest.raises(TwilioRestException) as caught:
        create(site, **changed)
    assert (caught.value.status, caught.value.code, caught.value.method) == (status, code, "POST")
    assert CATALOGUE[code].message in caught.value.msg
    assert site.client().messages.list() == []


def test_a_body_of_1600_units_is_taken(site: "Site") -> None:
    assert create(site, body="\N{WAVING HAND SIGN}" * 800).num_segments == "25"


def test_a_recipient_who_opted_out_is_refused(site: "Site") -> None:
    change = Change()
    change.opt_outs.append(OptOut(ACCOUNT, FROM, TO, 0, "STOP"))
    site.commit(change)
    site.run(site.opt_outs.start())
    with pytest.raises(TwilioRestException) as caught:
        create(site)
    assert (caught.value.status, caught.value.code) == (400, 21610)


def test_a_full_queue_is_429(site: "Site") -> None:
    create(site, from_="+15005550008")
    with pytest.raises(TwilioRestException) as caught:
        create(site, from_="+15005550008")
    assert (caught.value.status, caught.value.code) == (429, 21611)


# --- lists
def test_a_list_goes_newest_first_across_pages(site: "Site") -> None:
    sids = [create(site, body=str(number)).sid for number in range(5)]
    messages = site.client().messages
    assert [message.sid for message in messages.list(page_size=2)] == sids[::-1]
    assert [message.sid for message in messages.list(limit=3, page_size=2)] == sids[:1:-1]
    first = messages.page(page_size=2)
    second = first.next_page()
    assert [message.sid for message in second] == [sids[2], sids[1]]
    assert [message.sid for message in second.previous_page()] == [sids[4], sids[3]]
    third = second.next_page()
    assert [message.sid for message in third] == [sids[0]]
    assert third.next_page() is None


def test_pages_do_not_shift_while_messages_arrive(site: "Site") -> None:
    sids = [create(site).sid for _ in range(4)]
    first = site.client().messages.page(page_size=2)
    create(site)
    assert [message.sid for message in first.next_page()] == [sids[1], sids[0]]


def test_every_filter_holds_on_every_page(site: "Site") -> None:
    wanted = {}
    for number in range(3):
        for sender, recipient in ((FROM, TO), (FROM, "+15551230001"), ("+15005550007", TO)):
            made = create(site, from_=sender, to=recipient)
            site.say(made.sid, *SENT)
            wanted[made.sid] = (number, sender, recipient)
        site.clock.time += DAY
    start = instant(site.clock.now()) - timedelta(days=3)

    day = timedelta(days=1)

    def listed(**filters: Any) -> set[tuple[int, str, str]]:
        return {wanted[message.sid] for message in site.client().messages.list(page_size=1, **filters)}

    def only(days: Sequence[int] = (0, 1, 2), sender: str = "", recipient: str = "") -> set[tuple[int, str, str]]:
        return {one for one in wanted.values() if one[0] in days and sender in one[1] and recipient in one[2]}

    assert listed() == only()
    assert listed(to=TO) == only(recipient=TO)
    assert listed(from_=FROM) == only(sender=FROM)
    assert listed(to=TO, from_=FROM) == only(recipient=TO, sender=FROM)
    assert listed(date_sent=start.date() + day) == only([1])
    assert listed(date_sent=f"{start.date() + day}") == only([1])
    assert listed(date_sent=start + day) == only([1])
    assert listed(date_sent_after=start.date() + day) == only([1, 2])
    assert listed(date_sent_after=start + day) == only([1, 2])
    assert listed(date_sent_before=f"{start.date() + day}") == only([0, 1])
    assert listed(date_sent_before=start.date() + day) == only([0])
    assert listed(date_sent_before=start + day, to=TO) == only([0, 1], recipient=TO)
    assert listed(to="+15551239999") == set()


def test_what_was_never_sent_has_no_date_to_find_it_by(site: "Site") -> None:
    create(site)
    assert site.client().messages.list(date_sent=instant(site.clock.now()).date()) == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("PageSize=1001", 400, 20007),
        ("PageToken=PASM1", 400, 21481),
        ("Page=1", 400, 21481),
        ("DateSent=soon", 422, 20422),
        ("To=%zz", 400, 20001),
        ("To=%ff", 400, 20001),
        ("To=%00", 422, 20422),
    ],
)
def test_a_list_that_cannot_be_given_is_refused(site: "Site", query: str, status: int, code: int) -> None:
    answer = site.http().get(f"{MESSAGES}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_filters_that_do_not_exist_are_named(site: "Site") -> None:
    answer = site.http().get(f"{MESSAGES}?Status=failed")
    assert answer.headers["Tidings-Ignored-Parameters"] == "Status"


# --- who asks
def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


STRANGERS: dict[str, dict[str, str]] = {
    "no header": {},
    "wrong token": basic("AC" + ACCOUNT, "token of the second"),
    "no such account": basic("AC" + "0d" * 16, "token of the first"),
    "no such key": basic("SK" + "0d" * 16, "token of the first"),
    "bare id": basic(ACCOUNT, "token of the first"),
    "empty": basic("", ""),
    "bearer": {"Authorization": "Bearer abc"},
    "not base64": {"Authorization": "Basic ***"},
    "not UTF-8": {"Authorization": "Basic /w=="},
    "another account": basic("AC" + OTHER, "token of the second"),
}


@pytest.mark.parametrize("headers", STRANGERS.values(), ids=STRANGERS)
def test_strangers_are_401(site: "Site", headers: dict[str, str]) -> None:
    answer = site.http(None).post(MESSAGES, data=FORM, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    body = answer.json()
    assert (body["code"], body["status"]) == (20003, 401)
    assert body["message"]
    assert body["detail"]
    assert not site.orders


def test_an_inactive_account_is_told_so(site: "Site") -> None:
    answer = site.http(None).get(
        f"/2010-04-01/Accounts/AC{CLOSED}/Messages.json", headers=basic("AC" + CLOSED, "token of the closed")
    )
    assert (answer.status_code, answer.json()["code"]) == (401, 20005)


def test_an_api_key_speaks_for_its_account(site: "Site") -> None:
    secret = "a secret"
    key = ApiKey("0e" * 16, ACCOUNT, "ci", sha256(secret.encode()).hexdigest(), 0)
    site.run(site.store.put_api_key(key))
    http = site.http(None)
    assert http.get(MESSAGES, headers=basic("SK" + key.id, secret)).status_code == 200
    assert http.get(MESSAGES, headers=basic("SK" + key.id, key.secret_hash)).status_code == 401


def test_accounts_see_only_their_own(site: "Site") -> None:
    made = create(site)
    other = httpx.Client(base_url=site.url, headers=basic("AC" + OTHER, "token of the second"))
    own_path = f"/2010-04-01/Accounts/AC{OTHER}/Messages"
    assert other.get(f"{own_path}.json").json()["messages"] == []
    assert other.get(f"{own_path}/{made.sid}.json").status_code == 404


@pytest.mark.parametrize("account", ["AC123", "0a" * 16, "SK" + ACCOUNT, "AC" + "g" * 32])
def test_a_path_that_no_account_can_have_is_not_found(site: "Site", account: str) -> None:
    path = f"/2010-04-01/Accounts/{account}/Messages.json"
    answer = site.http(None).get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)
    assert path in answer.json()["message"]


# --- what is not there, or not possible
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/2010-04-01/Accounts/x/Calls.json",
        f"{MESSAGES.removesuffix('.json')}/SM{'0' * 32}.json",
        f"{MESSAGES.removesuffix('.json')}/x.json",
    ],
)
def test_an_unknown_path_is_named(site: "Site", path: str) -> None:
    answer = site.http().get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)
    assert path in answer.json()["message"]
    assert answer.json()["more_info"].endswith("/20404")


def test_a_method_that_is_not_possible_is_405(site: "Site") -> None:
    answer = site.http().delete(MESSAGES)
    assert (answer.status_code, answer.json()["code"], answer.headers["Allow"]) == (405, 20004, "GET, HEAD, POST")


def test_head_is_get_without_a_body(site: "Site") -> None:
    answer = site.http().head(MESSAGES)
    assert (answer.status_code, answer.content) == (200, b"")


UNREADABLE: list[tuple[str, bytes, dict[str, str], int, int]] = [
    ("too long", b"Body=" + b"x" * 65536, {}, 413, 20413),
    ("too many", b"&a=1" * 1001, {}, 413, 20413),
    ("bad escape", b"To=%zz", {}, 400, 20001),
    ("not UTF-8", b"To=%ff", {}, 400, 20001),
    ("not UTF-8, unescaped", b"To=\xff", {}, 400, 20001),
    ("NUL", b"Body=a%00b", {}, 422, 20422),
    ("JSON", b"{}", {"Content-Type": "application/json"}, 400, 20001),
    ("multipart", b"--x", {"Content-Type": "multipart/form-data; boundary=x"}, 400, 20001),
    ("nothing", b"", {}, 400, 21604),
]


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE]
)
def test_what_cannot_be_read_is_refused(
    site: "Site", content: bytes, headers: dict[str, str], status: int, code: int
) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    http = site.http()
    answer = http.post(MESSAGES, content=content, headers=form | headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert http.post(MESSAGES, data=FORM).status_code == 201


def test_a_body_that_does_not_say_how_long_it_is_is_bounded_too(site: "Site") -> None:
    answer = site.http().post(MESSAGES, content=(b"x" * 10_000 for _ in range(7)))
    assert (answer.status_code, answer.json()["code"]) == (413, 20413)


def test_a_charset_may_be_named(site: "Site") -> None:
    headers = {"Content-Type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8"}
    content = b"To=%2B15551230000&From=%2B15005550006&Body=a+b%C3%A9"
    assert site.http().post(MESSAGES, content=content, headers=headers).json()["body"] == "a bé"


# --- headers
def test_every_answer_is_stamped(site: "Site") -> None:
    for answer in (site.http().get(MESSAGES), site.http(None).get("/nowhere")):
        assert re.fullmatch("RQ[0-9a-f]{32}", answer.headers["Twilio-Request-Id"])
        assert answer.headers["Twilio-Concurrent-Requests"] == "1"
        assert re.fullmatch(r"\d+\.\d{3}", answer.headers["Twilio-Request-Duration"])
        assert answer.headers["Content-Type"] == "application/json"


def test_parameters_without_effect_are_named_and_logged(site: "Site", caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tidings.web")
    answer = site.http().post(MESSAGES, data=FORM | {"statusCallback": "http://a.example", "Tags": "{}"})
    assert answer.status_code == 201
    assert answer.headers["Tidings-Ignored-Parameters"] == "statusCallback, Tags"
    (record,) = [record for record in caplog.records if record.name.startswith("tidings.web")]
    assert "statusCallback, Tags" in record.getMessage()
    assert "Tidings-Ignored-Parameters" not in site.http().post(MESSAGES, data=FORM).headers


def test_a_parameters_name_cannot_write_headers(site: "Site") -> None:
    answer = site.http().post(MESSAGES, data=FORM | {"a\r\nSet-Cookie: b": "1", "\N{SNOWMAN}": "1"})
    assert answer.status_code == 201
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Tidings-Ignored-Parameters"] == "a%0D%0ASet-Cookie%3A%20b, %E2%98%83"


# --- once, however often it is asked
@pytest.mark.parametrize("header", ["Idempotency-Key", "I-Twilio-Idempotency-Token"])
def test_a_repeated_create_makes_one_message(site: "Site", header: str) -> None:
    http = site.http()
    first = http.post(MESSAGES, data=FORM, headers={header: "order 17"})
    again = http.post(MESSAGES, data=dict(reversed(FORM.items())), headers={header: "order 17"})
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(http.get(MESSAGES).json()["messages"]) == 1
    other = http.post(MESSAGES, data=FORM | {"Body": "Bye"}, headers={header: "order 17"})
    assert (other.status_code, other.json()["code"]) == (409, 20409)


def test_an_idempotency_key_has_255_characters_at_most(site: "Site") -> None:
    http = site.http()
    assert http.post(MESSAGES, data=FORM, headers={"Idempotency-Key": "k" * 255}).status_code == 201
    answer = http.post(MESSAGES, data=FORM, headers={"Idempotency-Key": "k" * 256})
    assert (answer.status_code, answer.json()["code"]) == (422, 20422)


# --- when we fail
def test_a_failure_of_ours_is_500_and_logged_once(site: "Site", caplog: pytest.LogCaptureFixture) -> None:
    site.failure = RuntimeError("a cable came loose")
    with pytest.raises(TwilioRestException) as caught:
        create(site)
    assert (caught.value.status, caught.value.code) == (500, 20500)
    assert "cable" not in caught.value.msg
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info
    assert record.exc_info[1] is site.failure


def test_a_store_that_cannot_keep_is_503(site: "Site", caplog: pytest.LogCaptureFixture) -> None:
    site.failure = StoreError("disk full")
    with pytest.raises(TwilioRestException) as caught:
        create(site)
    assert (caught.value.status, caught.value.code) == (503, 20503)
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1
