"""SignalWire's Compatibility API over HTTP, asked by a plain client: create, fetch, who may, what is refused."""

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.compat_project import (
    ACCOUNT,
    FORM,
    FROM,
    MESSAGES,
    NOBODY,
    OTHER,
    OTHER_PROJECT,
    OTHER_TOKEN,
    PICTURE,
    PREFIXES,
    PROJECT,
    REFUSED,
    ROOT,
    TAKEN,
    TO,
    TOKEN,
    conforming,
    create,
    http,
    picture,
    refused,
    say,
    sent,
)
from tidings.arranged import Application, Member, Service
from tidings.clock import HOUR
from tidings.gateway.ledger import Evidence
from tidings.lifecycle import Kind
from tidings.store.base import StoreError

if TYPE_CHECKING:
    from tests.web.conftest import Site


# --- create and fetch
@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("suffix", ["", ".json"])
def test_every_path_leads_there(site: "Site", prefix: str, suffix: str) -> None:
    path = f"{prefix}/2010-04-01/Accounts/{PROJECT}/Messages"
    made = conforming("Message", http(site).post(f"{path}{suffix}", data=FORM))
    assert conforming("Message", http(site).get(f"{path}/{made['sid']}{suffix}")) == made
    assert conforming("MessageListResponse", http(site).get(path + suffix))["messages"] == [made]
    media = http(site).get(f"{path}/{made['sid']}/Media{suffix}")
    assert conforming("MessageMediaListResponse", media)["media_list"] == []


def test_a_form_and_json_make_the_same_message(site: "Site") -> None:
    more = {"StatusCallback": "https://app.example.com/status", "ValidityPeriod": "60", "MaxPrice": "0.5"}
    assert http(site).post(MESSAGES, data=FORM | more).status_code == 201
    assert http(site).post(MESSAGES, json=FORM | more | {"ValidityPeriod": 60, "MaxPrice": 0.5}).status_code == 201
    by_form, by_json = site.orders
    assert by_form == by_json
    assert (by_json.dialect, by_json.validity, by_json.max_price) == ("signalwire_compat", 60, 500_000)


def test_links_lead_to_what_they_name(site: "Site") -> None:
    made, medium = picture(site)
    shown = http(site).get(made["uri"]).json()
    assert shown["sid"] == made["sid"]
    media = conforming("MessageMediaListResponse", http(site).get(made["subresource_uris"]["media"]))
    (one,) = media["media_list"]
    assert one["sid"].replace("-", "") == medium.id
    assert conforming("MessageMedia", http(site).get(one["uri"])) == one
    assert http(site).get(media["first_page_uri"]).json() == media


def test_a_message_with_media_is_one_segment_and_counts_them(site: "Site") -> None:
    made = create(site, MediaUrl=[PICTURE, PICTURE + "?2"], Body="x" * 500)
    assert (made["num_media"], made["num_segments"]) == (2, 1)
    kept = http(site).get(made["subresource_uris"]["media"]).json()["media_list"]
    assert [one["parent_sid"] for one in kept] == [made["sid"]] * 2
    assert create(site, Body="x" * 500)["num_segments"] == 4


def test_a_message_can_be_sent_as_mms(site: "Site") -> None:
    assert create(site, SendAsMms="true", Body="x" * 500)["num_segments"] == 1
    assert site.orders[-1].as_mms


def test_a_number_group_chooses_the_number(site: "Site") -> None:
    group = Service("0e" * 16, ACCOUNT, 0, 0, "all")
    site.run(site.store.put_resource(group))
    spelled = "0e0e0e0e-0e0e-0e0e-0e0e-0e0e0e0e0e0e"
    form = {"To": TO, "Body": "Hello", "MessagingServiceSid": spelled}
    assert refused(http(site).post(MESSAGES, data=form)) == (21703, 422)
    site.run(site.store.put_resource(Member("0f" * 16, ACCOUNT, 0, 0, group.id, FROM)))
    site.clock.time += HOUR  # the gateway remembers for a while who is in a group
    made = conforming("Message", http(site).post(MESSAGES, data=form))
    assert (made["from"], made["messaging_service_sid"]) == (FROM, spelled)


def test_an_application_says_where_callbacks_go_unless_the_message_does(site: "Site") -> None:
    url = "https://app.example.com/of-the-application"
    own = "https://app.example.com/own"
    site.run(site.store.put_resource(Application("0e" * 16, ACCOUNT, 0, 0, status_callback=url)))
    site.run(site.store.put_resource(Application("0f" * 16, ACCOUNT, 0, 0)))
    told, silent = ("0e0e0e0e-0e0e-0e0e-0e0e-0e0e0e0e0e0e", "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f")
    create(site, ApplicationSid=told)
    create(site, ApplicationSid=told, StatusCallback=own)
    create(site, ApplicationSid=silent)
    assert [order.callback_url for order in site.orders] == [url, own, None]


def test_the_price_is_positive_once_it_is_due(site: "Site") -> None:
    made = create(site)
    assert made["price"] is None
    say(site, made, *TAKEN)
    assert http(site).get(made["uri"]).json()["price"] == 0.0079
    failed = create(site)
    say(site, failed, TAKEN[0], REFUSED)
    shown = conforming("Message", http(site).get(failed["uri"]))
    assert (shown["status"], shown["price"], shown["error_code"]) == ("failed", 0.0, "21610")


def test_a_message_is_shown_in_its_statuses(site: "Site") -> None:
    made = create(site)
    seen = [made["status"]]
    for said in (*TAKEN, Evidence(Kind.UNDELIVERED, {}, 1, error=30003)):
        say(site, made, said)
        shown = conforming("Message", http(site).get(made["uri"]))
        seen.append(shown["status"])
    assert seen == ["queued", "initiated", "sent", "undelivered"]
    assert (shown["error_code"], shown["date_sent"] is None) == ("30003", False)


def test_a_message_of_twilios_dialect_is_shown_here_and_the_other_way_round(site: "Site") -> None:
    theirs = site.client().messages.create(to=TO, from_=FROM, body="Hello")
    here = conforming("Message", http(site).get(f"{MESSAGES}/{_dashed(theirs.sid)}"))
    assert (here["sid"].replace("-", ""), here["body"]) == (theirs.sid[2:], "Hello")
    made = create(site)
    assert site.client().messages("SM" + made["sid"].replace("-", "")).fetch().body == "Hello"


def _dashed(sid: str) -> str:
    id_ = sid[2:]
    return "-".join((id_[:8], id_[8:12], id_[12:16], id_[16:20], id_[20:]))


def test_without_a_prefix_the_spelling_of_the_account_tells_the_dialects_apart(site: "Site") -> None:
    own = http(site).get(f"/2010-04-01/Accounts/AC{ACCOUNT}/Messages.json").json()
    assert own["uri"].startswith(f"/2010-04-01/Accounts/AC{ACCOUNT}/")
    here = http(site).get(f"/2010-04-01/Accounts/{PROJECT}/Messages.json").json()
    assert here["uri"].startswith(f"/api/laml/2010-04-01/Accounts/{PROJECT}/")


# --- what is refused
CREATES: list[tuple[dict[str, Any], int]] = [
    ({"To": ""}, 21604),
    ({"To": "123"}, 21211),
    ({"To": FROM}, 21211),
    ({"To": "+4915112345678"}, 30006),
    ({"From": ""}, 21705),
    ({"From": "?"}, 21212),
    ({"From": "+15005550009"}, 21210),
    ({"Body": ""}, 21602),
    ({"Body": "x" * 1601}, 21617),
    ({"StatusCallback": "app.example.com"}, 21456),
    ({"ValidityPeriod": "172801"}, 21624),
    ({"MaxPrice": "dear"}, 90000),
    ({"SendAsMms": "perhaps"}, 90000),
    ({"MediaUrl": [PICTURE] * 9}, 21623),
    ({"MediaUrl": "ftp://cdn.example.com/cat.png"}, 21620),
    ({"To": "+447700900000", "MediaUrl": PICTURE}, 21601),
    ({"MessagingServiceSid": "MG" + "0" * 32}, 21701),
    ({"From": "", "MessagingServiceSid": NOBODY}, 21701),
    ({"ApplicationSid": "AP" + "0" * 32}, 21218),
    ({"ApplicationSid": NOBODY}, 21218),
    ({"ApplicationSid": NOBODY, "StatusCallback": "https://app.example.com"}, 21218),
]


@pytest.mark.parametrize(("changed", "number"), CREATES, ids=[f"{row[1]} {list(row[0])}" for row in CREATES])
def test_a_message_that_cannot_be_sent_is_refused(site: "Site", changed: dict[str, Any], number: int) -> None:
    assert refused(http(site).post(MESSAGES, data=FORM | changed)) == (number, 422)
    assert http(site).get(MESSAGES).json()["messages"] == []


def test_another_accounts_application_is_none(site: "Site") -> None:
    site.run(site.store.put_resource(Application("0e" * 16, OTHER, 0, 0)))
    form = FORM | {"ApplicationSid": "0e0e0e0e-0e0e-0e0e-0e0e-0e0e0e0e0e0e"}
    assert refused(http(site).post(MESSAGES, data=form)) == (21218, 422)


def test_a_full_queue_is_refused(site: "Site") -> None:
    create(site, From="+15005550008")
    assert refused(http(site).post(MESSAGES, data=FORM | {"From": "+15005550008"})) == (21611, 429)


UNREADABLE: list[tuple[str, str, bytes, int, int]] = [
    ("a form, too long", "form", b"Body=" + b"x" * 65536, 10000, 413),
    ("a form of too many", "form", b"&a=1" * 1001, 10000, 413),
    ("a bad escape", "form", b"To=%zz", 10000, 400),
    ("a form not in UTF-8", "form", b"To=\xff", 10000, 400),
    ("an escape not in UTF-8", "form", b"To=%ff", 10000, 400),
    ("NUL", "form", b"Body=a%00b", 90000, 422),
    ("no form", "multipart/form-data; boundary=x", b"--x", 10000, 400),
    ("nothing", "form", b"", 21604, 422),
    ("JSON of nothing", "json", b"", 21604, 422),
    ("JSON, too long", "json", b'{"Body":"' + b"x" * 65536 + b'"}', 10000, 413),
    ("JSON that is none", "json", b"{To", 10000, 400),
    ("JSON not in UTF-8", "json", b'{"To":"\xff"}', 10000, 400),
    ("half a surrogate pair", "json", b'{"To":"\\ud800"}', 10000, 400),
    ("JSON that is no object", "json", b'["To"]', 10000, 400),
    ("JSON of null", "json", b"null", 10000, 400),
    ("NUL in JSON", "json", b'{"Body":"\\u0000"}', 90000, 422),
    ("an endless number", "json", b'{"To":' + b"9" * 60_000 + b"}", 10000, 400),
    ("infinity", "json", b'{"To":1e999}', 10000, 400),
    ("an object as a value", "json", b'{"To":{"a":1}}', 90000, 422),
    ("a list in a list", "json", b'{"To":[["a"]]}', 90000, 422),
    ("nested deep", "json", b'{"To":' + b"[" * 30_000 + b"]" * 30_000 + b"}", 10000, 400),
    ("a number as a recipient", "json", b'{"To":1,"From":2,"Body":3}', 21211, 422),
]
TYPES = {"form": "application/x-www-form-urlencoded", "json": "application/json; charset=utf-8"}


@pytest.mark.parametrize(
    ("kind", "content", "number", "status"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE]
)
def test_what_cannot_be_read_is_refused(site: "Site", kind: str, content: bytes, number: int, status: int) -> None:
    headers = {"Content-Type": TYPES.get(kind, kind)}
    assert refused(http(site).post(MESSAGES, content=content, headers=headers)) == (number, status)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4)
FIELDS = [
    *FORM,
    "MediaUrl",
    "SendAsMms",
    "ApplicationSid",
    "MaxPrice",
    "StatusCallback",
    "ValidityPeriod",
    "Other",
]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(st.sampled_from([*FIELDS, "ValidityPeriod", "Other"]), VALUES))
def test_whatever_a_json_body_holds_is_taken_or_refused(site: "Site", body: dict[str, Any]) -> None:
    with http(site) as client:
        answer = client.post(MESSAGES, json=FORM | body)
    if answer.status_code == 201:
        conforming("Message", answer)
    else:
        assert refused(answer)[1] == 422


# --- who asks
STRANGERS = [
    (PROJECT, "wrong"),
    (PROJECT, OTHER_TOKEN),
    (NOBODY, TOKEN),
    (ACCOUNT, TOKEN),
    ("", ""),
    (OTHER_PROJECT, OTHER_TOKEN),
]


@pytest.mark.parametrize(("user", "password"), STRANGERS)
def test_strangers_are_401(site: "Site", user: str, password: str) -> None:
    answer = http(site, user, password).post(MESSAGES, data=FORM)
    assert refused(answer) == (20003, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert not site.orders


def test_an_account_may_be_spelled_either_way_in_credentials(site: "Site") -> None:
    for user in (PROJECT, PROJECT.upper(), "AC" + ACCOUNT):
        assert http(site, user).get(MESSAGES).status_code == 200


def test_an_account_that_does_not_speak_this_is_401(site: "Site") -> None:
    account = site.run(site.store.account(ACCOUNT))
    assert account is not None
    site.run(site.store.put_account(msgspec.structs.replace(account, dialects=("twilio",))))
    answer = http(site).get(MESSAGES)
    assert refused(answer) == (20003, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert site.http().get(f"/2010-04-01/Accounts/AC{ACCOUNT}/Messages.json").status_code == 200


def test_accounts_see_only_their_own(site: "Site") -> None:
    made, _ = picture(site)
    other = http(site, OTHER_PROJECT, OTHER_TOKEN)
    own = MESSAGES.replace(PROJECT, OTHER_PROJECT)
    assert other.get(own).json()["messages"] == []
    for path in (f"{own}/{made['sid']}", f"{own}/{made['sid']}/Media", f"{own}/{made['sid']}/Media/{NOBODY}"):
        assert refused(other.get(path)) == (20404, 404)
    assert refused(other.delete(f"{own}/{made['sid']}")) == (20404, 404)
    assert refused(other.post(f"{own}/{made['sid']}", data={"Body": ""})) == (20404, 404)


# --- what is not there, or not possible
@pytest.mark.parametrize(
    "path",
    [
        f"{ROOT}/Calls.json",
        f"/2010-04-01/Accounts/{PROJECT}/Calls.json",
        f"{MESSAGES}/",
        f"{MESSAGES}/{NOBODY}",
        f"{MESSAGES}/SM{'0' * 32}.json",
        f"{MESSAGES}/{NOBODY}.xml",
        f"{MESSAGES}/.json",
        f"{MESSAGES}/{NOBODY}/Media/{NOBODY}",
        f"{MESSAGES}/{NOBODY}/Feedback",
        f"/api/laml/2010-04-01/Accounts/AC{ACCOUNT}/Messages",
        f"/api/laml/2010-04-01/Accounts/{ACCOUNT}/Messages",
        f"/api/laml/api/laml/api/laml/2010-04-01/Accounts/{PROJECT}/Messages",
    ],
)
def test_what_is_not_there_is_said_in_this_dialect(site: "Site", path: str) -> None:
    assert refused(http(site).get(path)) == (20404, 404)


def test_a_method_that_is_not_possible_is_405(site: "Site") -> None:
    for method, path, allowed in (
        ("PUT", MESSAGES, "GET, HEAD, POST"),
        ("PATCH", f"{MESSAGES}/{NOBODY}", "DELETE, GET, HEAD, POST"),
        ("POST", f"{MESSAGES}/{NOBODY}/Media", "GET, HEAD"),
        ("POST", f"{MESSAGES}/{NOBODY}/Media/{NOBODY}", "DELETE, GET, HEAD"),
    ):
        answer = http(site).request(method, path)
        assert (refused(answer), answer.headers["Allow"]) == ((10001, 405), allowed)


# --- headers
def test_parameters_without_effect_are_named(site: "Site") -> None:
    answer = http(site).post(MESSAGES, json=FORM | {"SmartEncoded": True, "x\r\nSet-Cookie: a": 1})
    assert answer.status_code == 201
    assert answer.headers["Tidings-Ignored-Parameters"] == "SmartEncoded, x%0D%0ASet-Cookie%3A%20a"
    assert "Tidings-Ignored-Parameters" not in http(site).post(MESSAGES, data=FORM).headers
    assert http(site).get(f"{MESSAGES}?Direction=x").headers["Tidings-Ignored-Parameters"] == "Direction"
    made = sent(site)
    redacted = http(site).post(made["uri"], data={"Body": "", "Status": "canceled"})
    assert redacted.headers["Tidings-Ignored-Parameters"] == "Status"


def test_a_repeated_create_makes_one_message(site: "Site") -> None:
    key = {"Idempotency-Key": "order 17"}
    first = http(site).post(MESSAGES, data=FORM, headers=key)
    again = http(site).post(MESSAGES, json=FORM, headers=key)
    assert (first.status_code, again.status_code, first.json()) == (201, 201, again.json())
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    assert len(http(site).get(MESSAGES).json()["messages"]) == 1
    other = http(site).post(MESSAGES, data=FORM | {"Body": "Bye"}, headers=key)
    assert refused(other) == (10000, 409)


# --- when we fail
def test_failures_of_ours_are_said_in_this_dialect(site: "Site") -> None:
    site.failure = RuntimeError("a cable came loose")
    answer = http(site).post(MESSAGES, data=FORM)
    assert (refused(answer), "cable" in answer.text) == ((20504, 500), False)
    site.failure = StoreError("disk full")
    assert refused(http(site).post(MESSAGES, data=FORM)) == (20504, 503)
