"""Scenarios: which submission meets which behaviour, and what is wrong with the simulated carrier as a whole.

`load` reads a TOML file for `tidings serve` and `tidings smsc`; `script` plays what is read. What happens to a
segment is decided by the scenario's rules in order, then by its number (`numbers`), then by the rules of the
profile the scenario is based on, then by its `default`.
"""

import re
import tomllib
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from tidings.carriers.simulator.behaviour import Behaviour, CommandStatus, Seconds
from tidings.carriers.simulator.numbers import OUTCOMES

PROFILES: Final = ("healthy", "flaky", "throttling", "dead", "slow", "capped")
"""The scenarios in the box, `scenarios/*.toml`."""

Outcome = str | Behaviour
"""A name in `numbers.OUTCOMES`, or the behaviour itself."""


class ScenarioError(ValueError):
    """A scenario that cannot be played; its text is one line for people."""


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which submissions a rule is for: those that meet everything it names. Numbers count without "+"."""

    to_suffix: str = ""
    to_prefix: str = ""
    to_pattern: str = ""
    """A regular expression found anywhere in the destination."""
    sender: str = ""
    text: str = ""
    """Found anywhere in the segment's text."""
    every: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Only each n-th of them."""
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """Only this share of them, drawn by `seed`, the segment itself and how often it was submitted before."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    outcome: Outcome
    match: Match = Match()


class Binding(StrEnum):
    """What becomes of a bind request."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    NEVER = "never"
    """It is not answered."""


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is wrong with the carrier as a whole."""

    bind: Binding = Binding.ACCEPT
    bind_status: CommandStatus = 0x0D
    """command_status of a refused bind."""
    bind_times: Annotated[int, msgspec.Meta(ge=0)] = 0
    """The first so many binds meet `bind`, the others are accepted; 0: all."""
    receipts_before_bind_resp: bool = False
    """Receipts that wait for a bind are sent ahead of its bind response."""
    ignore_enquire_link: bool = False
    first_sequence: Annotated[int, msgspec.Meta(ge=1, le=0x7FFFFFFF)] = 1
    throughput: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Segments a second over all binds, a second's worth at once; above it RTHROTTLED. 0: no limit."""
    pending: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Unanswered submissions a bind; above it RMSGQFUL. 0: no limit."""
    queue_full: tuple[Seconds, Seconds] = (0.0, 0.0)
    """RMSGQFUL from so many seconds after the first submission, for so many seconds."""
    tls_drops: Annotated[int, msgspec.Meta(ge=0)] = 0
    """So many TLS handshakes fail before the first succeeds."""


class Scenario(msgspec.Struct, frozen=True):
    seed: int | None = None
    """Given, the same submissions meet the same behaviours and get the same ids; None: new ids at each start."""
    rules: tuple[Rule, ...] = ()
    numbers: bool = True
    """Whether the built-in numbers count."""
    profile_rules: tuple[Rule, ...] = ()
    default: Outcome = "delivered"
    faults: Faults = Faults()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scenario as TOML spells it; what is None is left to the profile."""

    profile: str = "healthy"
    seed: int | None = None
    numbers: bool | None = None
    default: Outcome | None = None
    faults: dict[str, Any] = {}
    rule: tuple[Rule, ...] = ()


def load(path: Path) -> Scenario:
    """The scenario in a TOML file. Raises ScenarioError."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: not UTF-8 text") from error
    except ScenarioError as error:
        raise ScenarioError(f"{path}: {error}") from error


def profile(name: str) -> Scenario:
    """One of the scenarios in the box. Raises ScenarioError for a name that is not in `PROFILES`."""
    return _scenario({"profile": name})


def parse(text: str) -> Scenario:
    """The scenario in a TOML text. Raises ScenarioError."""
    try:
        return _scenario(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(str(error)) from error


def _scenario(table: dict[str, Any]) -> Scenario:
    try:
        own = msgspec.convert(table, _File)
        base = msgspec.convert(_boxed(own.profile), _File)
        faults = msgspec.convert({**base.faults, **own.faults}, Faults)
    except msgspec.ValidationError as error:
        raise ScenarioError(str(error)) from error
    scenario = Scenario(
        seed=own.seed,
        rules=own.rule,
        numbers=base.numbers is not False if own.numbers is None else own.numbers,
        profile_rules=base.rule,
        default=own.default or base.default or "delivered",
        faults=faults,
    )
    _check(scenario)
    return scenario


def _boxed(name: str) -> dict[str, Any]:
    if name not in PROFILES:
        raise ScenarioError(f"profile: {name!r} is none of {', '.join(PROFILES)}")
    file = resources.files(__package__) / "scenarios" / f"{name}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def behaviour(outcome: Outcome) -> Behaviour:
    """What an outcome stands for. Raises ScenarioError for a name nobody gave."""
    if isinstance(outcome, Behaviour):
        return outcome
    if outcome not in OUTCOMES:
        raise ScenarioError(f"outcome: {outcome!r} is none of {', '.join(OUTCOMES)}")
    return OUTCOMES[outcome]


def _check(scenario: Scenario) -> None:
    """What types cannot say: outcomes have names we know, patterns compile."""
    behaviour(scenario.default)
    for rule in scenario.rules:
        behaviour(rule.outcome)
        try:
            re.compile(rule.match.to_pattern)
        except re.error as error:
            raise ScenarioError(f"to_pattern: {rule.match.to_pattern!r}: {error}") from error
