"""The official client `signalwire` 2.1.1, unmodified, against the Compatibility API, by each base URL it may have.

It runs in an environment of its own (`make install`), as its dependencies are those of its day.
"""

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tidings.clock import instant
from tidings.gateway.ledger import Evidence
from tidings.lifecycle import Kind

if TYPE_CHECKING:
    from tests.web.conftest import Site

TESTS = Path(__file__).parents[1]
PYTHON = TESTS.parent / ".venv-signalwire-2" / "bin" / "python"
PROJECT, TOKEN = "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a", "token of the first"
SENT = (Evidence(Kind.INTENT, {}, 1, carrier="main"), Evidence(Kind.ACCEPTED, {}, 1, carrier_id="1"))


def run(base: str, *act: str) -> list[dict[str, Any]]:
    script = TESTS / "clients" / "compat_messages.py"
    ended = subprocess.run(
        [PYTHON, script, base, PROJECT, TOKEN, *act],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.mark.parametrize("base", ["", "/api/laml"])
def test_the_official_client_sends_reads_redacts_and_deletes(site: "Site", base: str) -> None:
    *made, media, listed, limited, of_a_day, refused_to, refused_body, redacted, deleted, missing = run(
        site.url + base, "send"
    )
    assert len(made) == 5
    for number, told in enumerate(made):
        sid = told["made"].pop("sid")
        assert told["fetched"] == {"sid": sid} | told["made"]
        assert told["made"] == {
            "status": "queued",
            "body": f"message {number}",
            "num_segments": 1,
            "num_media": 0,
            "price": None,
            "error_code": None,
            "from_": "+15005550006",
            "to": "+15551230000",
            "uri": f"/api/laml/2010-04-01/Accounts/{PROJECT}/Messages/{sid}.json",
            "created": instant(site.clock.now()).replace(microsecond=0).isoformat(),
        }
    sids = [told["fetched"]["sid"] for told in made][::-1]
    assert media == {"media": ["application/octet-stream"], "num_media": 1}
    assert listed["listed"][1:] == sids
    assert limited["limited"] == listed["listed"][:3]
    assert of_a_day == {"of_a_day": []}
    assert [answer["refused"] for answer in (refused_to, refused_body, redacted, deleted, missing)] == [
        [422, 21211],
        [422, 21602],
        [422, 10000],
        [422, 20009],
        [404, 20404],
    ]
    for sid in sids[:2]:
        site.say(sid.replace("-", ""), *SENT)
    assert run(site.url + base, "erase", *sids[:2]) == [
        {"redacted": ""},
        {"deleted": True},
        {"refused": [404, 20404]},
        {"refused": [422, 50509]},
    ]
