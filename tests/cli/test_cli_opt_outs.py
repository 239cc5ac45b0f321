"""`tidings opt-outs`: the list of a running gateway, by hand and by file."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.executable import Inside, Serving, complaint

if TYPE_CHECKING:
    from subprocess import CompletedProcess

NUMBER, OTHER = "+15005550006", "+15551230000"
HANDSET, BRITON = "+15551239999", "+447700900200"
WHEN = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"

Run = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def opt_outs(gateway: Serving, inside: Inside) -> Run:
    """Run `tidings opt-outs …` for the gateway of this module, whose list is empty at first."""
    with gateway.http() as http:
        for entry in http.get("/v1/opt-outs").json()["opt_outs"]:
            http.delete(f"/v1/opt-outs/{entry['number'] or entry['service']}/{entry['recipient']}")
    return lambda *arguments: inside("opt-outs", *arguments, "--data", str(gateway.data))


def service(gateway: Serving) -> str:
    """The SID of a new messaging service."""
    with gateway.http() as http:
        sid: str = http.post("/v1/Services", data={"FriendlyName": "pool"}).json()["sid"]
    return sid


def test_who_is_put_on_the_list_stands_there_until_taken_off(opt_outs: Run) -> None:
    assert opt_outs("list").stdout == ""

    added = opt_outs("add", "+1 500 555 0006", "+1 (555) 123-9999")

    assert (added.returncode, added.stderr) == (0, "")
    assert re.fullmatch(rf"\+15551239999  \+15005550006  {WHEN}  through the API\n", added.stdout), added.stdout
    assert opt_outs("add", NUMBER, HANDSET).stdout == added.stdout
    assert opt_outs("list").stdout == added.stdout

    removed = opt_outs("remove", NUMBER, HANDSET)

    assert (removed.returncode, removed.stdout) == (0, "")
    assert opt_outs("list").stdout == ""
    assert "20404" in complaint(opt_outs("remove", NUMBER, HANDSET))


def test_the_list_is_narrowed_down(gateway: Serving, opt_outs: Run) -> None:
    pool = service(gateway)
    for scope, recipient in ((NUMBER, HANDSET), (NUMBER, BRITON), (pool, HANDSET)):
        opt_outs("add", scope, recipient)

    def found(*options: str) -> list[list[str]]:
        return [line.split("  ")[:2] for line in opt_outs("list", *options).stdout.splitlines()]

    assert found("--scope", NUMBER) == [[HANDSET, NUMBER], [BRITON, NUMBER]]
    assert found("--scope", pool) == [[HANDSET, pool]]
    assert found("--recipient", HANDSET) == [[HANDSET, NUMBER], [HANDSET, pool]]
    first = opt_outs("list", "--limit", "1")
    assert first.stdout.split("  ")[0] == HANDSET
    assert first.stderr == "there are more than 1: raise --limit, narrow them down, or export them\n"


def test_a_file_comes_in_and_goes_out_as_it_was(opt_outs: Run, tmp_path: Path) -> None:
    lines = (
        f"{NUMBER},{HANDSET},Stop,2026-11-21T17:28:16.000123Z\n{NUMBER},{BRITON},,2026-11-22T00:00:00.000000Z\n"
    )
    (tmp_path / "in.csv").write_text(lines)

    assert opt_outs("import", "in.csv").stdout == "2 read, 2 of them new\n"
    assert opt_outs("import", "in.csv").stdout == "2 read, 0 of them new\n"

    assert opt_outs("export", "out.csv").stdout == ""
    whole = f"scope,recipient,keyword,at\n{lines}"
    assert (tmp_path / "out.csv").read_text() == whole
    assert opt_outs("export").stdout == whole
    assert sorted(path.name for path in tmp_path.glob("*.csv*")) == ["in.csv", "out.csv"]
    shown = opt_outs("list").stdout.splitlines()
    assert shown[0].endswith("2026-11-21T17:28:16Z  Stop")
    assert shown[1].endswith("2026-11-22T00:00:00Z  imported")


def test_pages_of_an_export_become_one_file(
    opt_outs: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("".join(f"{NUMBER},+1555123000{digit}\n" for digit in range(5)))
    opt_outs("import", "in.csv")
    whole = opt_outs("export").stdout
    monkeypatch.setattr("tidings.cli.client.EXPORT", "/v1/opt-outs/export?limit=2")

    assert opt_outs("export").stdout == whole
    assert len(whole.splitlines()) == 6


def test_a_mistake_in_a_file_is_told_with_its_line(opt_outs: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(f"recipient,scope\n{HANDSET},{NUMBER}\n{HANDSET},+15005550099\n")

    ended = opt_outs("import", "in.csv")

    assert complaint(ended) == (
        "the gateway refused it: error 20422: Nothing was imported: "
        "line 3: scope: +15005550099: not a sender or service of this account"
    )
    assert ended.returncode == 1
    assert opt_outs("list").stdout == ""


def test_an_export_that_fails_leaves_no_file(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("what was there")
    ended = inside(
        "opt-outs",
        "export",
        "out.csv",
        "--url",
        "http://127.0.0.1:9",
        "--account",
        "AC" + "0" * 32,
        "--token",
        "x",
    )
    assert complaint(ended).startswith("no gateway answers at http://127.0.0.1:9")
    assert (tmp_path / "out.csv").read_text() == "what was there"
    assert not (tmp_path / "out.csv.part").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["add", "+15005550099", HANDSET], 20404),
        (["add", NUMBER, "5551230000"], 20404),
        (["list", "--recipient", ""], 20422),
    ],
)
def test_what_the_gateway_refuses_is_one_line(opt_outs: Run, arguments: list[str], code: int) -> None:
    ended = opt_outs(*arguments)
    assert complaint(ended).startswith(f"the gateway refused it: error {code}: ")
    assert ended.returncode == 1


def test_each_verb_tells_what_it_does(inside: Inside) -> None:
    for verb in ("list", "add", "remove", "import", "export"):
        ended = inside("opt-outs", verb, "--help")
        assert ended.returncode == 0
        assert "--token" in ended.stdout
