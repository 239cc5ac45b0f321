"""Our own API for opt-outs: the list, one entry, import and export, the keywords of a service."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.web.description import described
from tidings.arranged import Keywords, Member, Sender, Service
from tidings.clock import SECOND, iso
from tidings.dialects.own_opt_outs import MAX_ENTRIES, MAX_IMPORT
from tidings.model import OptOut
from tidings.web import own_opt_outs

if TYPE_CHECKING:
    from tests.web.conftest import Site

ACCOUNT, OTHER = "0a" * 16, "0b" * 16
MINE, SECOND_OF_MINE, THEIRS = "+15005550006", "+15005550007", "+15005550009"
SERVICE, THEIR_SERVICE = "1a" * 16, "1b" * 16
MG = "MG" + SERVICE
HANDSET, BRITON = "+15551230000", "+447700900200"
ONE = "/v1/opt-outs/{scope}/{recipient}"
LINES = (
    f"scope,recipient,keyword,at\n{MINE},{HANDSET},STOP,2026-11-21T17:28:16.000123Z\n{MG},{BRITON},,2026-11-22\n"
)


@pytest.fixture(autouse=True)
def services(site: "Site") -> None:
    for id_, account in ((SERVICE, ACCOUNT), (THEIR_SERVICE, OTHER)):
        site.run(site.store.put_resource(Service(id_, account, 0, 0, "pool")))
    site.run(site.store.put_resource(Member("2a" * 16, ACCOUNT, 0, 0, SERVICE, SECOND_OF_MINE)))


def add(site: "Site", *pairs: tuple[str, str], account: str = ACCOUNT) -> None:
    """Have these opted out, of the second in which it is."""
    entries = [OptOut(account, scope, recipient, site.clock.now(), "Stop") for scope, recipient in pairs]
    site.run(site.opt_outs.add(entries))


def listed(site: "Site", **query: str) -> Any:
    return described("/v1/opt-outs", site.http().get("/v1/opt-outs", params=query))


def pairs(page: Any) -> list[tuple[str, str]]:
    return [(entry["number"] or entry["service"], entry["recipient"]) for entry in page["opt_outs"]]


def refused(site: "Site", method: str, path: str, described_path: str, **request: Any) -> tuple[int, int, str]:
    """Status, code and detail of a refusal."""
    answer = site.http().request(method, path, **request)
    problem = described(described_path, answer, method.lower())
    return answer.status_code, problem["code"], problem["detail"]


def bring(site: "Site", lines: str | bytes) -> httpx.Response:
    return site.http().post("/v1/opt-outs/import", content=lines, headers={"Content-Type": "text/csv"})


def text(site: "Site", **query: str) -> str:
    answer = site.http().get("/v1/opt-outs/export", params=query)
    exported: str = described("/v1/opt-outs/export", answer)
    return exported


# --- the list
def test_an_account_sees_its_own_list(site: "Site") -> None:
    add(site, (MINE, HANDSET), (SERVICE, HANDSET))
    add(site, (THEIRS, BRITON), account=OTHER)
    assert pairs(listed(site)) == [(MINE, HANDSET), (MG, HANDSET)]
    assert listed(site)["opt_outs"][0] == {
        "number": MINE,
        "service": None,
        "recipient": HANDSET,
        "at": iso(site.clock.now()),
        "keyword": "Stop",
        "origin": "keyword",
    }
    assert pairs(site.other().get("/v1/opt-outs").json()) == [(THEIRS, BRITON)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"scope": MINE}, [(MINE, HANDSET), (MINE, BRITON)]),
        ({"scope": "+1 500 555 0006", "recipient": "+1 (555) 123-0000"}, [(MINE, HANDSET)]),
        ({"scope": MG}, [(MG, HANDSET)]),
        ({"scope": SERVICE.upper()}, [(MG, HANDSET)]),
        ({"recipient": HANDSET}, [(MINE, HANDSET), (MG, HANDSET)]),
        ({"scope": SECOND_OF_MINE}, []),
        ({"scope": THEIRS}, []),
    ],
)
def test_the_list_of_a_number_a_service_or_a_recipient(
    site: "Site", query: dict[str, str], found: list[tuple[str, str]]
) -> None:
    add(site, (MINE, HANDSET), (MINE, BRITON), (SERVICE, HANDSET))
    add(site, (THEIRS, HANDSET), account=OTHER)
    assert pairs(listed(site, **query)) == found


@pytest.mark.parametrize("query", [{}, {"scope": MINE}, {"scope": MG}])
def test_a_list_is_walked_page_by_page(site: "Site", query: dict[str, str]) -> None:
    every = [f"+1555123000{digit}" for digit in range(5)]
    add(site, *((scope, recipient) for scope in (MINE, SERVICE) for recipient in every))
    walked, page = [], listed(site, **query, limit="2")
    while True:
        walked += pairs(page)
        if page["next"] is None:
            break
        assert len(page["opt_outs"]) == 2
        page = listed(site, **query, limit="2", after=page["next"])
    wanted = [query["scope"]] if query else [MINE, MG]
    assert walked == [(scope, recipient) for scope in wanted for recipient in every]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("scope=", "scope"),
        ("recipient=", "recipient"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("after=x", "after"),
        ("sender=x", "sender"),
    ],
)
def test_what_a_list_is_asked_is_not_ignored(site: "Site", query: str, name: str) -> None:
    status, code, detail = refused(site, "GET", f"/v1/opt-outs?{query}", "/v1/opt-outs")
    assert (status, code) == (422, 20422)
    assert detail.startswith(f"A parameter is not valid: {name}: ")


# --- one entry
@pytest.mark.parametrize(
    ("scope", "kept"),
    [(MINE, MINE), (MG, SERVICE), (SERVICE, SERVICE), ("12345", "12345"), ("Me%20%26%20Co", "Me & Co")],
)
def test_an_entry_is_put_on_the_list_once_and_taken_off(site: "Site", scope: str, kept: str) -> None:
    for address in ("12345", "Me & Co"):
        site.run(site.store.put_sender(Sender(address, ACCOUNT)))
    path = f"/v1/opt-outs/{scope}/{HANDSET}"

    made = site.http().put(path)
    shown = described(ONE, made, "put")
    assert (made.status_code, shown["recipient"], shown["at"]) == (201, HANDSET, iso(site.clock.now()))
    assert (shown["keyword"], shown["origin"]) == (None, "api")
    assert (shown["number"], shown["service"]) == ((None, MG) if kept == SERVICE else (kept, None))

    site.clock.time += SECOND
    again = site.http().put(path)
    assert (again.status_code, described(ONE, again, "put")) == (200, shown)
    assert described(ONE, site.http().get(path)) == shown
    assert site.run(site.store.opted_out(ACCOUNT, kept, HANDSET))

    lifted = site.http().delete(path)
    assert (lifted.status_code, lifted.content) == (204, b"")
    for method in ("GET", "DELETE"):
        assert refused(site, method, path, ONE)[:2] == (404, 20404)


def test_an_entry_counts_for_submissions_at_once(site: "Site") -> None:
    form = {"From": MINE, "To": HANDSET, "Body": "Hello"}
    messages = f"/2010-04-01/Accounts/AC{ACCOUNT}/Messages.json"
    site.http().put(f"/v1/opt-outs/{MINE}/{HANDSET}")
    assert site.http().post(messages, data=form).json()["code"] == 21610
    site.http().delete(f"/v1/opt-outs/{MINE}/{HANDSET}")
    assert site.http().post(messages, data=form).status_code == 201
    site.http().put(f"/v1/opt-outs/{MG}/{HANDSET}")
    assert site.http().post(messages, data={**form, "From": SECOND_OF_MINE}).json()["code"] == 21610
    assert site.http().post(messages, data=form).status_code == 201


def test_what_a_handset_said_stays_as_it_said_it(site: "Site") -> None:
    add(site, (MINE, HANDSET))
    answer = site.http().put(f"/v1/opt-outs/{MINE}/+1%20555%20123%200000")
    assert answer.status_code == 200
    assert described(ONE, answer, "put")["keyword"] == "Stop"


@pytest.mark.parametrize("scope", [THEIRS, "MG" + THEIR_SERVICE, "+15005550099", "MG" + "0" * 32, "sales"])
def test_only_senders_and_services_of_the_account_have_a_list(site: "Site", scope: str) -> None:
    add(site, (THEIRS, HANDSET), (THEIR_SERVICE, HANDSET), account=OTHER)
    for method, reason in (("GET", ""), ("PUT", ": the account has no such sender or service"), ("DELETE", "")):
        status, code, detail = refused(site, method, f"/v1/opt-outs/{scope}/{HANDSET}", ONE)
        assert (status, code) == (404, 20404)
        assert detail == f"There is nothing here: /v1/opt-outs/{scope}/{HANDSET}{reason}"
    assert len(site.other().get("/v1/opt-outs").json()["opt_outs"]) == 2


def test_an_entry_of_a_number_that_is_given_up_can_be_lifted(site: "Site") -> None:
    add(site, (MINE, HANDSET))
    site.run(site.store.drop_sender(MINE))
    assert refused(site, "PUT", f"/v1/opt-outs/{MINE}/{BRITON}", ONE)[:2] == (404, 20404)
    assert site.http().delete(f"/v1/opt-outs/{MINE}/{HANDSET}").status_code == 204


@pytest.mark.parametrize("recipient", ["5551230000", "Tidings", "+1", "%20"])
def test_a_recipient_is_a_number(site: "Site", recipient: str) -> None:
    status, code, detail = refused(site, "PUT", f"/v1/opt-outs/{MINE}/{recipient}", ONE)
    assert (status, code) == (404, 20404)
    assert detail.endswith(": the recipient is not a phone number in E.164: + and its digits")
    assert refused(site, "GET", f"/v1/opt-outs/{MINE}/{recipient}", ONE)[:2] == (404, 20404)


def test_nothing_that_is_given_is_ignored(site: "Site") -> None:
    path = f"/v1/opt-outs/{MINE}/{HANDSET}"
    for method, request in (
        ("PUT", {"data": {"keyword": "STOP"}}),
        ("PUT", {"params": {"at": "2026-11-21"}}),
        ("GET", {"params": {"at": "2026-11-21"}}),
        ("DELETE", {"params": {"at": "2026-11-21"}}),
    ):
        assert refused(site, method, path, ONE, **request)[:2] == (422, 20422)
    assert listed(site)["opt_outs"] == []


# --- import
def test_a_file_is_imported(site: "Site") -> None:
    add(site, (MINE, HANDSET))
    answer = bring(site, LINES)
    assert described("/v1/opt-outs/import", answer, "post") == {"read": 2, "added": 1}
    number, service = listed(site)["opt_outs"]
    assert (number["keyword"], number["origin"]) == ("Stop", "keyword")
    assert service == {
        "number": None,
        "service": MG,
        "recipient": BRITON,
        "at": "2026-11-22T00:00:00.000000Z",
        "keyword": None,
        "origin": "import",
    }
    assert described("/v1/opt-outs/import", bring(site, LINES), "post") == {"read": 2, "added": 0}
    assert site.run(site.opt_outs.has(ACCOUNT, SECOND_OF_MINE, BRITON))


def test_a_line_without_a_time_is_of_now(site: "Site") -> None:
    bring(site, f"{MINE},{HANDSET}\n")
    assert listed(site)["opt_outs"][0]["at"] == iso(site.clock.now())


@pytest.mark.parametrize(
    ("lines", "status", "code", "detail"),
    [
        (
            f"{MINE},{HANDSET}\n{THEIRS},{HANDSET}\n{MINE},1\n",
            422,
            20422,
            f"Nothing was imported: line 2: scope: {THEIRS}: not a sender or service of this account; "
            "line 3: recipient: 1: not a phone number in E.164: + and its digits",
        ),
        (
            f"{MINE},{HANDSET}\nMG{THEIR_SERVICE},{HANDSET}\n",
            422,
            20422,
            f"Nothing was imported: line 2: scope: MG{THEIR_SERVICE}: not a sender or service of this account",
        ),
        (b"\xff", 400, 20001, "The request could not be read: the lines are not in UTF-8"),
        (
            f"{MINE},{HANDSET}\n" * (MAX_ENTRIES + 1),
            413,
            20413,
            "The request is too long: an import can have 50000 entries",
        ),
        (b"," * (MAX_IMPORT + 1), 413, 20413, "The request is too long"),
    ],
    ids=["numbers", "service", "latin", "lines", "octets"],
)
def test_of_a_file_with_a_mistake_nothing_is_imported(
    site: "Site", lines: str | bytes, status: int, code: int, detail: str
) -> None:
    answer = bring(site, lines)
    problem = described("/v1/opt-outs/import", answer, "post")
    assert (answer.status_code, problem["code"], problem["detail"]) == (status, code, detail)
    assert listed(site)["opt_outs"] == []


def test_an_import_is_csv(site: "Site") -> None:
    path = "/v1/opt-outs/import"
    detail = "The request could not be read: Content-Type: it must be text/csv"
    assert refused(site, "POST", path, path, data={"a": "b"}) == (400, 20001, detail)
    assert refused(site, "POST", f"{path}?dry=1", path)[:2] == (422, 20422)
    headers = {"Content-Type": "text/CSV; charset=utf-8"}
    assert site.http().post(path, content=LINES, headers=headers).json() == {"read": 2, "added": 2}
    assert site.http().post(path, content=LINES.encode()).json() == {"read": 2, "added": 0}


# --- export
def test_what_is_exported_can_be_imported_again(site: "Site") -> None:
    add(site, (MINE, HANDSET), (SERVICE, HANDSET))
    site.clock.time += SECOND
    site.http().put(f"/v1/opt-outs/{MINE}/{BRITON}")
    before = text(site)
    assert before.splitlines()[0] == "scope,recipient,keyword,at"
    assert f"{MINE},{BRITON},,{iso(site.clock.now())}" in before.splitlines()
    entries = site.run(site.store.opt_outs(ACCOUNT, None, None, 10))
    site.run(site.opt_outs.lift(entries))
    assert text(site) == "scope,recipient,keyword,at\n"

    assert bring(site, before).json() == {"read": 3, "added": 3}

    assert text(site) == before


def test_an_export_is_of_a_number_or_a_service_too(site: "Site") -> None:
    add(site, (MINE, HANDSET), (SERVICE, BRITON))
    assert text(site, scope=MINE).splitlines()[1:] == [f"{MINE},{HANDSET},Stop,{iso(site.clock.now())}"]
    assert text(site, scope=MG).splitlines()[1:] == [f"{MG},{BRITON},Stop,{iso(site.clock.now())}"]
    assert refused(site, "GET", f"/v1/opt-outs/export?recipient={HANDSET}", "/v1/opt-outs/export")[0] == 422


@pytest.mark.parametrize(("limit", "at_once"), [("2", 1000), ("3", 2), ("5", 2), ("6", 3), ("7", 7)])
def test_a_long_export_comes_in_pages(
    site: "Site", monkeypatch: pytest.MonkeyPatch, limit: str, at_once: int
) -> None:
    monkeypatch.setattr(own_opt_outs, "READ_AT_ONCE", at_once)
    add(site, *((scope, f"+1555123000{digit}") for scope in (MINE, SERVICE) for digit in range(3)))
    whole = text(site).splitlines()[1:]
    assert len(whole) == 6
    walked = []
    following: str | None = f"/v1/opt-outs/export?limit={limit}"
    while following:
        page = site.http().get(following)
        header, *lines = page.text.splitlines()
        assert header == "scope,recipient,keyword,at"
        assert 0 < len(lines) <= int(limit)
        walked += lines
        following = page.links.get("next", {}).get("url")
    assert walked == whole


# --- keywords
SPANISH = {
    "language": "es",
    "country": "",
    "stop": ["ALTO"],
    "start": ["ALTA"],
    "help": [],
    "stop_answer": "No más.",
    "start_answer": None,
    "help_answer": "",
}
PATH, DESCRIBED = f"/v1/services/{MG}/keywords", "/v1/services/{id}/keywords"


def test_a_service_s_keywords_are_replaced(site: "Site") -> None:
    assert described(DESCRIBED, site.http().get(PATH)) == {"keywords": []}
    site.run(site.services.find(ACCOUNT, SERVICE))

    put = site.http().put(PATH, json={"keywords": [SPANISH, {"country": "GB", "stop": ["TARA"]}]})

    shown = described(DESCRIBED, put, "put")
    assert shown["keywords"][0] == SPANISH
    assert shown["keywords"][1]["stop_answer"] is None
    assert described(DESCRIBED, site.http().get(f"/v1/services/{SERVICE.upper()}/keywords")) == shown
    found = site.run(site.services.find(ACCOUNT, SERVICE))
    spanish = Keywords("es", stop=("ALTO",), start=("ALTA",), stop_answer="No más.", help_answer="")
    assert found.keywords == (spanish, Keywords(country="GB", stop=("TARA",)))
    assert (found.name, found.updated_at) == ("pool", site.clock.now())

    assert described(DESCRIBED, site.http().put(PATH, json={"keywords": []}), "put") == {"keywords": []}
    assert described(DESCRIBED, site.http().get(PATH)) == {"keywords": []}


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"json": {"keywords": [{"stop": [""]}]}}, 422, 20422),
        ({"json": {"keywords": [{"start": ["STOP"]}]}}, 422, 20422),
        ({"json": {"keywords": [{"stop": ["A"], "help": ["a"]}]}}, 422, 20422),
        ({"json": {"keywords": [{"stop_answer": "x" * 1601}]}}, 422, 20422),
        ({"json": {}}, 422, 20422),
        ({"content": b""}, 422, 20422),
        ({"content": b"["}, 400, 20001),
        ({"content": b" " * 70_000}, 413, 20413),
        ({"json": {"keywords": []}, "params": {"a": "b"}}, 422, 20422),
    ],
)
def test_keywords_that_cannot_be_change_nothing(
    site: "Site", request_: dict[str, Any], status: int, code: int
) -> None:
    site.http().put(PATH, json={"keywords": [SPANISH]})
    assert refused(site, "PUT", PATH, DESCRIBED, **request_)[:2] == (status, code)
    assert site.http().get(PATH).json() == {"keywords": [SPANISH]}


@pytest.mark.parametrize("service", ["MG" + THEIR_SERVICE, "MG" + "0" * 32, "sales", MINE])
def test_only_services_of_the_account_have_keywords(site: "Site", service: str) -> None:
    path = f"/v1/services/{service}/keywords"
    assert refused(site, "GET", path, DESCRIBED)[:2] == (404, 20404)
    assert refused(site, "PUT", path, DESCRIBED, json={"keywords": []})[:2] == (404, 20404)


def test_strangers_learn_and_change_nothing(site: "Site") -> None:
    add(site, (MINE, HANDSET))
    for method, path, described_path in (
        ("get", "/v1/opt-outs", "/v1/opt-outs"),
        ("get", f"/v1/opt-outs/{MINE}/{HANDSET}", ONE),
        ("put", f"/v1/opt-outs/{MINE}/{BRITON}", ONE),
        ("delete", f"/v1/opt-outs/{MINE}/{HANDSET}", ONE),
        ("post", "/v1/opt-outs/import", "/v1/opt-outs/import"),
        ("get", "/v1/opt-outs/export", "/v1/opt-outs/export"),
        ("get", PATH, DESCRIBED),
        ("put", PATH, DESCRIBED),
    ):
        answer = site.http(None).request(method, path)
        assert described(described_path, answer, method)["code"] == 20003
    assert pairs(listed(site)) == [(MINE, HANDSET)]
