"""The content of media: for whoever knows the link, as what it is, and as nothing that a browser would run."""

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tidings.dialects.media import link
from tidings.ids import random_hex
from tidings.model import Medium
from tidings.store.base import Change

if TYPE_CHECKING:
    from tests.web.conftest import Site

ACCOUNT, MESSAGE = "0a" * 16, "5a" * 16
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def kept(site: "Site", content: bytes | None = PNG, **changes: Any) -> Medium:
    """A medium whose content came, or none yet."""
    size = None if content is None else len(content)
    usual: dict[str, Any] = {"content_type": "image/png", "size": size, "url": None, "place": 0}
    medium = Medium(
        id=random_hex(), message_id=MESSAGE, account=ACCOUNT, created_at=0, updated_at=0, **usual | changes
    )
    if content is not None:
        site.run(site.store.put_content(medium.id, content))
    change = Change()
    change.media.append(medium)
    site.commit(change)
    return medium


def get(site: "Site", medium: Medium) -> httpx.Response:
    """As anybody asks: without credentials."""
    return httpx.get(link(site.url, medium))


def test_the_link_leads_to_the_content_without_credentials(site: "Site") -> None:
    medium = kept(site)
    answer = get(site, medium)
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Length"] == str(len(PNG))
    assert link(site.url, medium) == f"{site.url}/media/{medium.id}"


def test_credentials_are_not_looked_at(site: "Site") -> None:
    assert httpx.get(link(site.url, kept(site)), auth=("anybody", "at all")).status_code == 200


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"<html><script>alert(1)</script>", "text/html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/svg+xml"),
        (b"%PDF-1.7", "application/pdf"),
        (b"BEGIN:VCARD", "text/vcard; charset=utf-8"),
    ],
)
def test_what_strangers_sent_is_not_run_in_our_name(site: "Site", content: bytes, content_type: str) -> None:
    answer = get(site, kept(site, content, content_type=content_type))
    assert (answer.content, answer.headers["Content-Type"]) == (content, content_type)
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "content_type",
    [None, "", "picture", "image/png\r\nSet-Cookie: a=b", 'image/png; name="\r\nX: y"', "image/é", "text/html\0"],
)
def test_a_type_that_is_none_is_not_repeated(site: "Site", content_type: str | None) -> None:
    answer = get(site, kept(site, content_type=content_type))
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/octet-stream")
    assert "Set-Cookie" not in answer.headers


def test_no_proxy_keeps_it_for_others(site: "Site") -> None:
    assert "private" in get(site, kept(site)).headers["Cache-Control"].split(", ")


def test_head_says_how_long_it_is(site: "Site") -> None:
    answer = httpx.head(link(site.url, kept(site)))
    assert (answer.status_code, answer.content) == (200, b"")
    assert (answer.headers["Content-Length"], answer.headers["Content-Type"]) == (str(len(PNG)), "image/png")


def test_what_is_still_to_be_fetched_is_not_there(site: "Site") -> None:
    medium = kept(site, None, content_type=None, url="https://a.example/cat.png")
    assert get(site, medium).status_code == 404
    site.run(site.store.put_content(medium.id, PNG))
    assert get(site, medium).status_code == 404  # it is not known yet what it is


def test_what_was_dropped_is_not_there(site: "Site") -> None:
    medium = kept(site)
    change = Change()
    change.dropped_media.append((medium.id,))
    site.commit(change)
    assert get(site, medium).status_code == 404


@pytest.mark.parametrize("name", ["0d" * 16, "0D" * 16, "x", "ME" + "0d" * 16, "%00", "0d0d0d0d-0d0d"])
def test_what_names_no_medium_is_not_found(site: "Site", name: str) -> None:
    answer = httpx.get(f"{site.url}/media/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, 20404)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_it_can_only_be_looked_at(site: "Site") -> None:
    answer = httpx.delete(link(site.url, kept(site)))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
