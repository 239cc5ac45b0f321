"""`tidings clock`: the time of a running gateway, and winding it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.executable import Inside, Serving, complaint
from tidings.cli.clock import clock_line


def instant(line: str) -> datetime:
    return datetime.strptime(line[:20], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def test_the_clock_is_read_and_wound_and_goes_on_from_there_after_a_restart(
    serving: Callable[..., Serving], inside: Inside
) -> None:
    gateway = serving()
    data = ("--data", str(gateway.data))
    (read,) = inside("clock", *data).stdout.splitlines()
    assert re.fullmatch(r"[-0-9]{10}T[:0-9]{8}Z", read)
    assert abs(instant(read) - datetime.now(UTC)) < timedelta(seconds=60)

    wound = inside("clock", "+72h", *data)
    assert wound.returncode == 0
    before, after = wound.stdout.splitlines()
    assert timedelta(hours=72) <= instant(after) - instant(before) < timedelta(hours=72, seconds=60)
    assert after.endswith("  ahead by 3d")
    assert inside("clock", "1h30m", *data).stdout.splitlines()[1].endswith("  ahead by 3d 1h 30m")

    sent = inside("send", "--to", "+15551230200", *data)
    assert sent.returncode == 0
    assert gateway.stop() == 0
    again = serving()
    resumed = inside("clock", *data).stdout
    assert again.data == gateway.data
    assert instant(resumed) - datetime.now(UTC) > timedelta(hours=73, minutes=20)


@pytest.mark.parametrize("advance", ["72", "soon", "+"])
def test_what_is_no_span_is_refused_with_what_is(gateway: Serving, inside: Inside, advance: str) -> None:
    refused = inside("clock", advance, "--data", str(gateway.data))
    assert refused.returncode == 1
    assert "72h, 90m, 1h30m or 2d" in complaint(refused)


def test_where_no_gateway_answers_it_says_so(inside: Inside, tmp_path: Path) -> None:
    arguments = ["--url", "http://127.0.0.1:9", "--account", "AC" + "0a" * 16, "--token", "t"]
    refused = inside("clock", *arguments, "--data", str(tmp_path))
    assert "no gateway answers" in complaint(refused)


@pytest.mark.parametrize(
    ("ahead", "said"),
    [(0.0, ""), (0.2, "  ahead by 0s"), (59.7, "  ahead by 1m"), (90061.0, "  ahead by 1d 1h 1m 1s")],
)
def test_how_far_it_is_ahead_is_said_in_words(ahead: float, said: str) -> None:
    assert clock_line({"now": "2026-11-21T17:28:16.999999Z", "ahead": ahead}) == f"2026-11-21T17:28:16Z{said}"
