"""A scenario being played: what was submitted so far decides what happens next.

`server` asks it about every segment. Without `every` and the limits of `pressure`, what happens to a segment
depends on the seed, on the segment and on how often it came before, not on what came in between: two runs of
the same messages over several binds agree, whichever bind is faster.
"""

import os
import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from tidings.carriers.simulator.behaviour import Behaviour, accepted
from tidings.carriers.simulator.numbers import NUMBERS
from tidings.carriers.simulator.scenario import Match, Rule, Scenario, behaviour
from tidings.carriers.simulator.segment import Segment

SEGMENTS_REMEMBERED: Final = 100_000
"""Of so many segments it is known how often they came; asked only by `times` and `probability`."""


class _Step:
    """One rule, number or default, and what has been counted for it."""

    def __init__(self, outcome: Behaviour, match: Match) -> None:
        self.behaviour = outcome
        self.accepted = accepted(outcome)
        self.match = match
        self.pattern = re.compile(match.to_pattern)
        self.met = 0


def _steps(rules: Iterable[Rule]) -> list[_Step]:
    return [_Step(behaviour(rule.outcome), rule.match) for rule in rules]


class Script:
    def __init__(self, scenario: Scenario) -> None:
        self._seed = os.urandom(16) if scenario.seed is None else str(scenario.seed).encode()
        self._rules = _steps(scenario.rules)
        self._numbers = {
            digits: _Step(behaviour(name), Match())
            for digits, name in (NUMBERS if scenario.numbers else {}).items()
        }
        self._profile = _steps(scenario.profile_rules)
        self._default = _Step(behaviour(scenario.default), Match())
        self._came: dict[bytes, int] = {}

    def behaviour(self, segment: Segment) -> Behaviour:
        """What is to happen to this segment; asking counts as a submission of it."""
        step = (
            self._first(self._rules, segment)
            or self._numbers.get(segment.message.destination_addr[-4:])
            or self._first(self._profile, segment)
            or self._default
        )
        times = step.behaviour.times
        if times and self._count(segment, b"times") % (times + 1) == times:
            return step.accepted
        return step.behaviour

    def _first(self, steps: list[_Step], segment: Segment) -> _Step | None:
        for step in steps:
            if self._applies(step, segment):
                return step
        return None

    def _applies(self, step: _Step, segment: Segment) -> bool:
        match = step.match
        destination = segment.message.destination_addr.lstrip("+")
        if not (
            destination.endswith(match.to_suffix)
            and destination.startswith(match.to_prefix.lstrip("+"))
            and step.pattern.search(destination)
            and (not match.sender or segment.message.source_addr.lstrip("+") == match.sender.lstrip("+"))
            and (not match.text or match.text in segment.text)
        ):
            return False
        if match.every > 1:
            step.met += 1
            if step.met % match.every:
                return False
        return match.probability >= 1 or self._draw(segment) < match.probability

    def _draw(self, segment: Segment) -> float:
        """A number in [0, 1) that the seed, the segment and the draws it had before settle."""
        count = self._count(segment, b"draws")
        drawn = blake2b(b"%d" % count, digest_size=8, key=self._seed, salt=_fingerprint(segment, b"draws"))
        return int.from_bytes(drawn.digest()) / 2**64

    def _count(self, segment: Segment, purpose: bytes) -> int:
        """How often this was asked of this segment before."""
        key = _fingerprint(segment, purpose)
        count = self._came.pop(key, 0)
        self._came[key] = count + 1  # at the end again: those not seen for longest are forgotten
        if len(self._came) > SEGMENTS_REMEMBERED:
            del self._came[next(iter(self._came))]
        return count


def _fingerprint(segment: Segment, purpose: bytes) -> bytes:
    addresses = f"{segment.message.source_addr}\0{segment.message.destination_addr}\0".encode()
    return blake2b(addresses + segment.content, digest_size=16, person=purpose).digest()
