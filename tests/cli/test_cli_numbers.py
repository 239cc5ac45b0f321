"""`tidings numbers`: who answers the numbers of a running gateway."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.executable import Inside, Serving, complaint

if TYPE_CHECKING:
    from subprocess import CompletedProcess

NUMBER = "+15005550006"
URL, SPARE = "http://127.0.0.1:9/sms", "http://127.0.0.1:9/spare"
SCRIPT = 'reply:\n  body: "Grüße"\n'

Run = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def numbers(gateway: Serving, inside: Inside) -> Run:
    """Run `tidings numbers …` for the gateway of this module."""
    return lambda *arguments: inside("numbers", *arguments, "--data", str(gateway.data))


def asked(gateway: Serving) -> dict[str, Any]:
    """The number as the API has it."""
    with gateway.http() as http:
        number: dict[str, Any] = http.get(f"/v1/numbers/{NUMBER}").json()
    return number


def application(gateway: Serving) -> str:
    """The id of a new one."""
    account = gateway.account.removeprefix("AC")
    project = f"{account[:8]}-{account[8:12]}-{account[12:16]}-{account[16:20]}-{account[20:]}"
    with gateway.http() as http:
        made = http.post(
            f"/api/laml/2010-04-01/Accounts/{project}/Applications.json",
            data={"FriendlyName": "app", "SmsUrl": URL},
            auth=(project, gateway.token),
        )
    sid: str = made.json()["sid"]
    return sid


@pytest.mark.parametrize(
    ("options", "told", "kept"),
    [
        (["--twiml", URL], f"TwiML from POST {URL}", {"handler": "markup", "dialect": "twilio", "url": URL}),
        (
            ["--cxml", URL, "--method", "GET", "--fallback", SPARE],
            f"cXML from GET {URL}, else from POST {SPARE}",
            {"handler": "markup", "dialect": "signalwire_compat", "method": "GET", "fallback_url": SPARE},
        ),
        (
            ["--swml", URL, "--fallback", SPARE, "--fallback-method", "GET"],
            f"SWML from POST {URL}, else from GET {SPARE}",
            {"handler": "swml", "dialect": "signalwire_rest", "url": URL, "fallback_method": "GET"},
        ),
        (
            ["--swml-file", "a.yaml", "--fallback", SPARE],
            f"SWML kept here, else from POST {SPARE}",
            {"handler": "swml", "script": SCRIPT, "fallback_url": SPARE, "url": None},
        ),
        (
            ["--relay", "front desk"],
            "RELAY sessions in context front desk",
            {"handler": "relay", "context": "front desk"},
        ),
        (["--nobody"], "nobody", {"handler": "none", "dialect": None, "context": None}),
    ],
)
def test_whoever_is_said_to_answer_a_number_does(
    gateway: Serving, numbers: Run, tmp_path: Path, options: list[str], told: str, kept: dict[str, Any]
) -> None:
    (tmp_path / "a.yaml").write_text(SCRIPT, "utf-8")

    said = numbers("answer", NUMBER, *options)

    assert (said.returncode, said.stdout, said.stderr) == (0, f"{NUMBER}  {told}\n", "")
    number = asked(gateway)
    assert {name: number[name] for name in kept} == kept
    listed = numbers("list").stdout.splitlines()
    assert listed[0] == f"{NUMBER}  {told}"
    assert len(listed) == 11


def test_an_application_answers_too(gateway: Serving, numbers: Run) -> None:
    made = application(gateway)
    said = numbers("answer", NUMBER, "--application", made)
    assert said.stdout == f"{NUMBER}  application {made.replace('-', '')}\n"


def test_a_number_is_shown_with_the_swml_that_is_kept(gateway: Serving, numbers: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SCRIPT, "utf-8")
    numbers("answer", NUMBER, "--swml-file", "a.yaml")
    with gateway.http() as http:
        http.put(f"/v1/numbers/{NUMBER}", data={"name": "Front \x1b[2J desk"})

    shown = numbers("show", "+1 (500) 555-0006").stdout

    for row in (
        r"number +\+15005550006",
        r"id +[0-9a-f]{32}",
        r"name +Front \\x1b\[2J desk",
        "answered by +SWML kept here",
        "dialect +signalwire_rest",
        r"changed +\d{4}-\d\d-\d\dT\S+Z",
    ):
        assert re.search(f"^{row}$", shown, re.MULTILINE), (row, shown)
    assert shown.endswith('\n\n  reply:\n    body: "Grüße"\n')


@pytest.mark.parametrize(
    "options", [[], ["--method", "GET"], ["--twiml", URL, "--nobody"], ["--swml", URL, "--relay", "x"]]
)
def test_exactly_one_is_said_to_answer(inside: Inside, options: list[str]) -> None:
    ended = inside("numbers", "answer", NUMBER, *options)

    assert complaint(ended).startswith("say who answers, by one of --twiml, --cxml, --swml, --swml-file, ")
    assert ended.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "+15005559999"], 20404),
        (["show", "../messages"], 20404),
        (["answer", "+15005559999", "--nobody"], 20404),
        (["answer", NUMBER, "--twiml", "app.example.com"], 20422),
        (["answer", NUMBER, "--relay", "x", "--method", "GET"], 20422),
        (["answer", NUMBER, "--application", "0" * 32], 20422),
    ],
)
def test_what_the_gateway_refuses_is_one_line(numbers: Run, arguments: list[str], code: int) -> None:
    ended = numbers(*arguments)

    assert complaint(ended).startswith(f"the gateway refused it: error {code}: ")
    assert ended.returncode == 1


def test_a_file_that_is_no_swml_is_refused(numbers: Run, tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("reply: {body: Grüße}".encode("latin-1"))
    (tmp_path / "call.yaml").write_text("answer: {}\n")

    assert complaint(numbers("answer", NUMBER, "--swml-file", "latin.yaml")) == "latin.yaml is not UTF-8 text"
    assert "swml_missing_entry_point" in complaint(numbers("answer", NUMBER, "--swml-file", "call.yaml"))
    assert "does not exist" in complaint(numbers("answer", NUMBER, "--swml-file", "none.yaml"))


def test_each_verb_tells_what_it_does(inside: Inside) -> None:
    for verb in ("list", "show", "answer"):
        ended = inside("numbers", verb, "--help")
        assert ended.returncode == 0
        assert "--token" in ended.stdout
