"""The gateway's clock over our own API: read, wound ahead, and refused."""

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.web.description import described
from tidings.clock import DAY, HOUR, SECOND, iso

if TYPE_CHECKING:
    from tests.web.conftest import Site

PATH = "/v1/clock"
TEST = ("AC" + "0d" * 16, "token of the test")
NO_SPANS = (
    "",
    "+",
    "-1h",
    "1h ",
    "1 h",
    "1.5h",
    "h",
    "1m1h",
    "1h1h",
    "72",
    "0h",
    "1000d",
    "1h\n",
    "\u0661h",
    "later",
)
NO_SECONDS: tuple[object, ...] = (0, -1, 86_400_001, 10**400, -1e308, 1e308, True, None, [], {"h": 1})


def wind(site: "Site", advance: object, **more: object) -> httpx.Response:
    return site.http().post(PATH, json={"advance": advance, **more})


def wound(site: "Site", advance: object) -> Any:
    answer = wind(site, advance)
    assert answer.status_code == 200
    return described(PATH, answer, "post")


def test_the_clock_says_what_time_it_is_for_the_gateway(site: "Site") -> None:
    answer = site.http().get(PATH)
    assert answer.status_code == 200
    assert described(PATH, answer) == {"now": iso(site.clock.now()), "ahead": 0}


def test_winding_moves_the_gateway_s_time_and_says_how_far_it_is_ahead(site: "Site") -> None:
    began = site.clock.now()
    assert wound(site, "72h") == {"now": iso(began + 72 * HOUR), "ahead": 72 * 3600}
    assert wound(site, 0.5) == {"now": iso(began + 72 * HOUR + SECOND // 2), "ahead": 72 * 3600 + 0.5}
    assert site.clock.now() == began + 72 * HOUR + SECOND // 2
    assert described(PATH, site.http().get(PATH)) == {"now": iso(site.clock.now()), "ahead": 72 * 3600 + 0.5}


@pytest.mark.parametrize(
    ("advance", "by"),
    [
        ("72h", 72 * HOUR),
        ("+72h", 72 * HOUR),
        ("90m", 90 * 60 * SECOND),
        ("30s", 30 * SECOND),
        ("1h30m", 90 * 60 * SECOND),
        ("2d1h1m1s", 2 * DAY + HOUR + 61 * SECOND),
        ("999d", 999 * DAY),
        (90, 90 * SECOND),
        (0.000001, 1),
        (86_400_000, 1000 * DAY),
    ],
)
def test_how_far_is_said_by_units_or_in_seconds(site: "Site", advance: object, by: int) -> None:
    began = site.clock.now()
    assert wound(site, advance)["ahead"] == by / SECOND
    assert site.clock.now() == began + by


@pytest.mark.parametrize("advance", [*NO_SPANS, *NO_SECONDS])
def test_what_says_no_such_thing_is_refused_and_winds_nothing(site: "Site", advance: object) -> None:
    answer = wind(site, advance)
    assert answer.status_code == 422
    assert "advance" in described(PATH, answer, "post")["detail"]
    assert site.clock.ahead == 0


def test_there_must_be_an_advance_and_nothing_else(site: "Site") -> None:
    for content, status in ((b"", 422), (b"{}", 422), (b"advance=72h", 400), (b'"72h"', 400), (b"[1]", 400)):
        answer = site.http().post(PATH, content=content)
        assert answer.status_code == status
        described(PATH, answer, "post")
    assert "'" not in wind(site, "1h", back=True).json()["detail"]
    assert wind(site, "1h", back=True).status_code == 422
    assert site.http().post(PATH, params={"advance": "1h"}, json={"advance": "1h"}).status_code == 422
    assert site.http().get(PATH, params={"advance": "1h"}).status_code == 422
    assert site.clock.ahead == 0


def test_it_does_not_go_beyond_the_year_2099(site: "Site") -> None:
    for _ in range(26):
        wound(site, 1000 * 86_400)
    ahead = site.clock.ahead
    answer = wind(site, 1000 * 86_400)
    assert answer.status_code == 422
    assert "2099" in described(PATH, answer, "post")["detail"]
    assert site.clock.ahead == ahead


def test_a_gateway_whose_clock_cannot_be_wound_says_so(site: "Site") -> None:
    site.windable = False
    answer = wind(site, "72h")
    assert answer.status_code == 403
    assert described(PATH, answer, "post")["code"] == 20006
    assert site.clock.ahead == 0
    assert described(PATH, site.http().get(PATH))["ahead"] == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_asks_must_be_known_and_no_test_account(site: "Site", method: str) -> None:
    body = {"advance": "1h"} if method == "POST" else None
    for auth, status, code in ((None, 401, 20003), (TEST, 403, 20008)):
        answer = httpx.request(method, site.url + PATH, json=body, auth=auth)
        assert answer.status_code == status
        assert described(PATH, answer, method.lower())["code"] == code
    assert site.clock.ahead == 0


def test_other_methods_are_not_possible(site: "Site") -> None:
    answer = site.http().put(PATH, content=json.dumps({"advance": "1h"}))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
