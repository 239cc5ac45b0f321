"""`tidings callbacks`: what was told and given up by a gateway, and telling it again."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.cli.callee import Callee
from tests.cli.executable import PATIENCE, Ended, Inside, Serving, complaint, environment

ID = re.compile(r"^([0-9a-f]{32}-\d+(?:-account)?)  ", re.MULTILINE)
GONE, TAKEN = 410, 204


@pytest.fixture
def callee() -> Iterator[Callee]:
    application = Callee(GONE)
    yield application
    application.close()


@pytest.fixture
def given_up(gateway: Serving, callee: Callee) -> tuple[str, list[str]]:
    """A message whose two callbacks have been given up: its SID, and their ids, the newest first."""
    form = {
        "From": "+15005550006",
        "To": "+15551230200",
        "Body": "Hello",
        "StatusCallback": f"{callee.host}/status",
    }
    with gateway.http() as http:
        message = http.post(f"/2010-04-01/Accounts/{gateway.account}/Messages.json", data=form).json()["sid"]
        for _ in range(2):
            callee.called()
        query = {"message": message, "state": "given_up"}
        while len(found := http.get("/v1/callbacks", params=query).json()["callbacks"]) < 2:
            pass
    return message, [callback["id"] for callback in found]


def _send(http: httpx.Client, gateway: Serving, callee: Callee) -> str:
    form = {"From": "+15005550006", "To": "+15551230200", "Body": "Hi", "StatusCallback": f"{callee.host}/status"}
    sid: str = http.post(f"/2010-04-01/Accounts/{gateway.account}/Messages.json", data=form).json()["sid"]
    return sid


@pytest.fixture
def callbacks(gateway: Serving, tidings: Ended) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run `tidings callbacks …` for the gateway of this module."""
    return lambda verb, *arguments: tidings("callbacks", verb, *arguments, "--data", str(gateway.data))


Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_the_list_has_a_line_a_callback_newest_first(
    given_up: tuple[str, list[str]], callee: Callee, callbacks: Run
) -> None:
    message, ids = given_up

    listed = callbacks("list", "--message", message, "--state", "given_up", "--error", "11200")

    assert ID.findall(listed.stdout) == ids
    for line in listed.stdout.splitlines():
        assert re.search(rf"Z  given up  1 attempt  {callee.host}  410  11200: ", line)
    assert (listed.returncode, listed.stderr) == (0, "")


def test_a_list_says_that_there_are_more(given_up: tuple[str, list[str]], callbacks: Run) -> None:
    message, ids = given_up

    listed = callbacks("list", "--message", message, "--limit", "1")

    assert ID.findall(listed.stdout) == ids[:1]
    assert listed.stderr == "there are more than 1: raise --limit, or narrow them down\n"


@pytest.mark.parametrize(
    "narrowed",
    [
        ["--state", "done"],
        ["--error", "11205"],
        ["--target", "account"],
        ["--to", "2020-01-01"],
        ["--from", "2999-01-01T00:00:00+01:00"],
        ["--host", "https://example.com:443"],
    ],
)
def test_a_list_holds_nothing_that_its_filter_leaves_out(
    narrowed: list[str], given_up: tuple[str, list[str]], callbacks: Run
) -> None:
    listed = callbacks("list", "--message", given_up[0], *narrowed)

    assert (listed.stdout, listed.stderr, listed.returncode) == ("", "", 0)


def test_a_callback_is_shown_with_its_attempts(
    given_up: tuple[str, list[str]], callee: Callee, callbacks: Run
) -> None:
    message, ids = given_up

    shown = callbacks("show", ids[0]).stdout

    for row in (
        rf"callback +{ids[0]}",
        rf"message +{message}, event \d",
        rf"goes to +{callee.host}, the URL its message was made with",
        r"state +given up after 1 attempt",
        r"last error +11200: .+",
        r"attempt 1, \d{4}-\d\d-\d\dT\S+Z",
        rf"  request +POST {callee.host}/status",
        r"    header +Content-Type: application/x-www-form-urlencoded.*",
        rf"    body +.*MessageSid={message}&.*",
        r"  signature +X-Twilio-Signature, HMAC-SHA1, base64, auth token",
        r"  response +410",
        r"    body +no longer here",
        r"  timings +connected after [\d.]+ ms, first byte after [\d.]+ ms, over after [\d.]+ ms",
        r"  error +11200: .+",
    ):
        assert re.search(f"^{row}$", shown, re.MULTILINE), (row, shown)


def test_a_host_is_shown_with_its_state_and_what_it_is_owed(
    gateway: Serving, callee: Callee, callbacks: Run
) -> None:
    callee.close()
    with gateway.http() as http:
        _send(http, gateway, callee)
        while not any(host["failures"] for host in http.get("/v1/callbacks/hosts").json()["hosts"]):
            pass

    shown = callbacks("hosts")

    assert (shown.returncode, shown.stderr) == (0, "")
    expected = rf"^{callee.host}  closed after \d failures? in a row  [12] outstanding  11\d\d\d: .+$"
    assert re.search(expected, shown.stdout, re.MULTILINE), shown.stdout


def test_one_callback_is_told_again_until_it_is_done(
    given_up: tuple[str, list[str]], callee: Callee, callbacks: Run
) -> None:
    _, ids = given_up
    callee.status = TAKEN

    replayed = callbacks("replay", ids[1])

    assert replayed.returncode == 0
    assert re.search(rf"^{ids[1]}  .*  done +2 attempts  .*  204$", replayed.stdout.splitlines()[-1])
    assert ID.findall(callbacks("list", "--message", ids[0][:32], "--state", "given_up").stdout) == ids[:1]


def test_the_status_is_1_where_it_is_given_up_again(given_up: tuple[str, list[str]], callbacks: Run) -> None:
    _, ids = given_up

    replayed = callbacks("replay", ids[0])

    assert replayed.returncode == 1
    assert "  given up  2 attempts  " in replayed.stdout.splitlines()[-1]


def test_all_that_a_filter_finds_are_told_again_with_their_progress(
    given_up: tuple[str, list[str]], callee: Callee, callbacks: Run
) -> None:
    message, _ = given_up
    callee.status = TAKEN

    replayed = callbacks("replay", "--state", "given_up", "--message", message)

    first, *changes = replayed.stdout.splitlines()
    assert re.fullmatch(r"replay [0-9a-f]{32}", first)
    assert changes[-1] == "2 owed again: 2 done, 0 given up, 0 owed, 0 retrying"
    assert replayed.returncode == 0
    statuses = [re.search(rb"MessageStatus=(\w+)", callee.called().body) for _ in range(2)]
    assert [status and status[1] for status in statuses] == [b"sent", b"delivered"]


def test_on_a_terminal_the_progress_is_one_line(
    given_up: tuple[str, list[str]], gateway: Serving, callee: Callee
) -> None:
    callee.status = TAKEN
    terminal, inner = pty.openpty()
    arguments = ["callbacks", "replay", "--host", callee.host, "--data", str(gateway.data)]

    replaying = subprocess.Popen(
        [sys.executable, "-m", "tidings", *arguments], stdout=inner, env=environment(None)
    )
    os.close(inner)
    printed = _read_all(terminal)

    assert replaying.wait(PATIENCE) == 0
    begun, progress, after = printed.split("\r\n")
    assert begun.startswith("replay ")
    assert progress.startswith("\r")
    assert progress.endswith("2 owed again: 2 done, 0 given up, 0 owed, 0 retrying\x1b[K")
    assert after == ""


def _read_all(terminal: int) -> str:
    printed = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # how a terminal says that nobody writes to it any more
            chunk = b""
        if not chunk:
            os.close(terminal)
            return printed.decode()
        printed += chunk


def test_without_waiting_it_ends_at_once(given_up: tuple[str, list[str]], callee: Callee, callbacks: Run) -> None:
    callee.status = TAKEN

    replayed = callbacks("replay", "--host", callee.host, "--no-wait")

    assert re.fullmatch(r"replay [0-9a-f]{32}\n", replayed.stdout)
    assert replayed.returncode == 0
    callee.called()
    callee.called()


@pytest.mark.parametrize(
    ("arguments", "complained"),
    [
        ([], "say which: the ID of a callback, a filter"),
        (["--state", "done"], "say which: the ID of a callback, a filter"),
        (["--state", "done", "--state", "given_up"], "say which"),
        (["0" * 32 + "-1", "--host", "http://h:80"], "either the ID of a callback or a filter"),
        (["0" * 32 + "-1", "--all"], "either the ID of a callback or a filter"),
        (["--state", "owed"], "'owed' is not one of"),
    ],
)
def test_nothing_is_replayed_by_a_slip(arguments: list[str], complained: str, inside: Inside) -> None:
    ended = inside("callbacks", "replay", *arguments)

    assert complained in complaint(ended)
    assert ended.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "0" * 32 + "-1"], 20404),
        (["show", "../hosts"], 20404),
        (["replay", "0" * 32 + "-1"], 20404),
        (["list", "--from", "yesterday"], 20422),
        (["replay", "--host", "example.com"], 20422),
    ],
)
def test_what_the_gateway_refuses_is_one_line(
    arguments: list[str], code: int, gateway: Serving, inside: Inside
) -> None:
    ended = inside("callbacks", *arguments, "--data", str(gateway.data))

    assert complaint(ended).startswith(f"the gateway refused it: error {code}: ")
    assert ended.returncode == 1


def test_each_verb_tells_what_it_does(inside: Inside) -> None:
    for verb in ("list", "show", "hosts", "replay"):
        ended = inside("callbacks", verb, "--help")
        assert ended.returncode == 0
        assert "--token" in ended.stdout
