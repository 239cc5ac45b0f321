"""The documentation against the code: tables of settings, dependencies and numbers cannot rot unnoticed."""

import re
import tomllib
import types
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from tidings.arranged import Keywords
from tidings.callbacks.delivery import RETRY_AFTER, DeliverySettings
from tidings.carriers.mm7.settings import Mm7Settings
from tidings.carriers.simulator import scenario
from tidings.carriers.simulator.carrier import SimulatorSettings
from tidings.carriers.simulator.mms import MmsSimulatorSettings
from tidings.carriers.simulator.numbers import NUMBERS
from tidings.carriers.smpp import profile
from tidings.carriers.smpp.settings import SmppSettings, Tls
from tidings.cli import VERBS
from tidings.gateway.dispatch import DispatchSettings
from tidings.gateway.inbound import InboundSettings
from tidings.gateway.optout import OptOutSettings
from tidings.gateway.rates import QueueSettings
from tidings.gateway.routes import Route
from tidings.gateway.schedule import ScheduleSettings
from tidings.model import CallbackOptions, SharedKey
from tidings.settings import AccountSettings, Server, Settings, StoreSettings, load

ROOT = Path(__file__).parents[1]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")

TABLES: dict[str, type[msgspec.Struct]] = {
    "[server]": Server,
    "[store]": StoreSettings,
    "[[account]]": AccountSettings,
    "[account.callbacks]": CallbackOptions,
    "[[account.callbacks.shared_keys]]": SharedKey,
    '[[carrier]] with kind = "smpp"': SmppSettings,
    "[carrier.tls]": Tls,
    '[[carrier]] with kind = "simulator"': SimulatorSettings,
    '[[carrier]] with kind = "mm7"': Mm7Settings,
    '[[carrier]] with kind = "mms_simulator"': MmsSimulatorSettings,
    "[[route]]": Route,
    "[dispatch]": DispatchSettings,
    "[queues]": QueueSettings,
    "[schedule]": ScheduleSettings,
    "[inbound]": InboundSettings,
    "[opt_out]": OptOutSettings,
    "[[opt_out.keywords]]": Keywords,
    "[callbacks]": DeliverySettings,
}
"""Headings of docs/configuration.md, and what is below them."""

_KINDS = {int: "integer", float: "number", str: "text", bool: "true or false", Tls: "table"}
_KINDS |= {SharedKey: "table", CallbackOptions: "table", Keywords: "table"}


def kind_of(annotation: Any) -> str:
    """A type in the words of the documentation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind_of(arguments[0])
    if origin is Literal:
        return ", ".join(_value(argument) for argument in arguments)
    if origin is tuple:
        return f"list of {kind_of(arguments[0])}"
    if origin in (Union, types.UnionType):
        return " or ".join(kind_of(argument) for argument in arguments if argument is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(_value(member.value) for member in annotation)
    return _KINDS[annotation]


def default_of(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return "unset" if default is None else _value(default.value if isinstance(default, Enum) else default)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[]`"
    if isinstance(value, msgspec.Struct):
        return "see below"
    return f"`{value}`" if isinstance(value, int | float) else f'`"{value}"`'


def rows(heading: str) -> dict[str, tuple[str, str]]:
    """name → (type, default) of the table below a heading."""
    _, _, section = CONFIGURATION.partition(f"\n## `{heading}`\n")
    assert section, f"docs/configuration.md has no section {heading}"
    found = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| .+ \|$", section.partition("\n## ")[0], re.MULTILINE)
    return {name: (kind, default) for name, kind, default in found}


@pytest.mark.parametrize("heading", TABLES)
def test_every_setting_is_documented_with_its_type_and_default(heading: str) -> None:
    struct = TABLES[heading]
    hints = get_type_hints(struct, include_extras=True)

    assert rows(heading) == {
        field.name: (kind_of(hints[field.name]), default_of(field)) for field in msgspec.structs.fields(struct)
    }


def test_no_table_of_settings_is_missing() -> None:
    documented = {re.sub(r"[\[\]]| with.*", "", heading) for heading in TABLES}

    assert {name for name in documented if "." not in name} == set(Settings.__struct_fields__)


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    named = {re.split(r"[^\w-]", requirement)[0] for group in groups for requirement in group}

    documented = re.findall(
        r"^\| \[?`([\w-]+)`", (ROOT / "docs" / "dependencies.md").read_text("utf-8"), re.MULTILINE
    )

    assert sorted(documented) == sorted(named)


def test_the_readme_lists_the_numbers_of_the_simulated_carrier() -> None:
    listed = re.findall(r"^\| `…(\d{4})` \|", README, re.MULTILINE)

    assert listed == list(NUMBERS)


def test_every_shipped_profile_is_documented() -> None:
    carriers = (ROOT / "docs" / "carriers.md").read_text("utf-8")

    assert sorted(re.findall(r"^\| `([a-z]\w+)` \|", carriers, re.MULTILINE)) == profile.names()


def test_every_verb_is_documented() -> None:
    assert set(re.findall(r"^\| `tidings ([\w-]+)` \|", README, re.MULTILINE)) == set(VERBS)


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))], ids=lambda p: p.name
)
def test_links_lead_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", path.read_text("utf-8")):
        there = path.parent / target if target else path
        assert there.exists(), f"{path.name} links to {target}"
        assert not anchor or anchor in anchors(there), f"{path.name} links to {target}#{anchor}"


def anchors(path: Path) -> set[str]:
    """What the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_files_that_the_architecture_names_exist() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`((?:src|tests|bench|docs)/[\w./-]+)`", architecture)

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_architecture_tells_of_every_room() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| (`src/tidings/.+?) \|", architecture, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`src/tidings/([\w.]+)`", row)}

    rooms = {path.name for path in (ROOT / "src" / "tidings").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert told == {name for name in rooms if not name.startswith("__")}


def test_callbacks_are_tried_again_when_the_page_says_so() -> None:
    said = "again after 1, 5, 15 and 60 seconds, 5, 15 and 30 minutes, then every hour"

    assert said in " ".join((ROOT / "docs" / "callbacks.md").read_text("utf-8").split())
    assert RETRY_AFTER == (1, 5, 15, 60, 5 * 60, 15 * 60, 30 * 60, 60 * 60)


# --- examples
EXAMPLES = {
    path.relative_to(ROOT).as_posix(): found
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if (found := re.findall(r"^```toml\n(.*?)^```$", path.read_text("utf-8"), re.DOTALL | re.MULTILINE))
}
_, OWN_PROFILE, OWN_SCENARIO, _ = EXAMPLES["docs/carriers.md"]
CARRIERS = {"main", "main-mms", "reserve"}
"""What routes in the examples name."""


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(example, id=f"{path}-{number}")
        for path, found in EXAMPLES.items()
        for number, example in enumerate(found)
        if example not in (OWN_PROFILE, OWN_SCENARIO)
    ],
)
def test_the_examples_of_settings_are_settings(example: str, tmp_path: Path) -> None:
    given = {carrier["name"] for carrier in tomllib.loads(example).get("carrier", ())}
    others = [f'[[carrier]]\nkind = "simulator"\nname = "{name}"\n' for name in sorted(CARRIERS - given)]
    (tmp_path / "tidings.toml").write_text("\n".join([example.replace("…", "x"), *others]))

    load(tmp_path / "tidings.toml", {})  # or it raises


def test_the_example_of_a_profile_is_one(tmp_path: Path) -> None:
    (tmp_path / "my_carrier.toml").write_text(OWN_PROFILE)

    assert profile.load(tmp_path / "my_carrier.toml").about == "My carrier"


def test_the_example_of_a_scenario_is_one() -> None:
    assert len(scenario.parse(OWN_SCENARIO).rules) == 2
