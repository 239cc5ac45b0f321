"""Log lines."""

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from tidings import telemetry


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.raiseExceptions = True


def test_an_entry_is_one_line_whatever_is_in_it() -> None:
    stream = io.StringIO()
    telemetry.configure(stream=stream)

    logging.getLogger("tidings.gateway.receipts").warning("parked: %s", "a\nb\x1b[2J\x85")

    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z warning gateway.receipts: parked: a\\nb\\x1b\[2J\\x85\n",
        stream.getvalue(),
    )


def test_a_json_entry_holds_its_traceback() -> None:
    stream = io.StringIO()
    telemetry.configure(form="json", stream=stream)

    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("tidings.web").exception("went wrong")

    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert (entry["level"], entry["logger"], entry["message"]) == ("error", "web", "went wrong")
    assert entry["exception"].endswith("ValueError: broken")


def test_a_traceback_for_people_is_indented_below_its_line() -> None:
    stream = io.StringIO()
    telemetry.configure(stream=stream)

    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("tidings.web").exception("went wrong")

    _, *trace = stream.getvalue().splitlines()
    assert trace
    assert all(line.startswith("    ") for line in trace)


def test_libraries_are_heard_only_when_they_warn() -> None:
    stream = io.StringIO()
    telemetry.configure(stream=stream)

    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("httpx").info("HTTP Request")
    logging.getLogger("uvicorn.error").warning("a warning")

    assert [line.split(": ")[1] for line in stream.getvalue().splitlines()] == ["a warning"]


def test_clients_never_log_their_requests() -> None:
    stream = io.StringIO()
    telemetry.configure("debug", stream=stream)

    logging.getLogger("twilio.http_client").info("POST Request: Body=…")
    logging.getLogger("uvicorn.error").debug("heard")

    assert [line.split(": ")[1] for line in stream.getvalue().splitlines()] == ["heard"]
