from collections.abc import Iterable
from importlib import resources
from itertools import chain, repeat
from pathlib import Path

import pytest

from tidings.carriers.simulator.behaviour import Answer, Behaviour, ReceiptPlan, Spelling, spell
from tidings.carriers.simulator.numbers import NUMBERS, OUTCOMES
from tidings.carriers.simulator.pressure import Pressure
from tidings.carriers.simulator.scenario import PROFILES, Faults, Scenario, ScenarioError, load, parse, profile
from tidings.carriers.simulator.script import Script
from tidings.carriers.simulator.segment import Segment
from tidings.carriers.smpp.pdu import ShortMessage
from tidings.clock import SECOND

DELIVERED = OUTCOMES["delivered"]
REFUSED = OUTCOMES["refused"]


def segment(to: str = "15551239999", sender: str = "15550001111", text: str = "hello") -> Segment:
    content = text.encode()
    return Segment(0, ShortMessage(source_addr=sender, destination_addr=to), content, content)


def behaviours(scenario: Scenario, segments: Iterable[Segment]) -> list[Behaviour]:
    script = Script(scenario)
    return [script.behaviour(each) for each in segments]


def behaviour(toml: str, each: Segment) -> Behaviour:
    return Script(parse(toml)).behaviour(each)


# --- reading


def test_a_file_scripts_rules_and_faults(tmp_path: Path) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(
        """
        seed = 7
        numbers = false
        default = { id = "hex", receipts = [{ after = 0.5, stat = "ENROUTE" }, { id = "decimal", copies = 2 }] }

        [faults]
        bind = "refuse"
        bind_times = 2
        queue_full = [1, 60]
        first_sequence = 0x7FFFFFF0

        [[rule]]
        match = { to_prefix = "+44", every = 3 }
        outcome = { status = 0x0B }

        [[rule]]
        outcome = "closed"
        """
    )
    scenario = load(path)
    assert scenario.seed == 7
    assert scenario.faults == Faults(
        bind=scenario.faults.bind, bind_times=2, queue_full=(1.0, 60.0), first_sequence=0x7FFFFFF0
    )
    assert scenario.faults.bind == "refuse"
    assert [rule.outcome for rule in scenario.rules] == [Behaviour(status=0x0B), "closed"]
    assert scenario.default == Behaviour(
        id=Spelling.HEX,
        receipts=(ReceiptPlan(after=0.5, stat="ENROUTE"), ReceiptPlan(id=Spelling.DECIMAL, copies=2)),
    )


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        ("seed = ", "Invalid value"),
        ("sead = 1", "`sead`"),
        ("[faults]\nbindd = 'never'", "`bindd`"),
        ("[faults]\nbind = 'perhaps'", "'perhaps'"),
        ("[[rule]]\noutcome = { answer = 'perhaps' }", "$.rule[0].outcome.answer"),
        ("[[rule]]\noutcome = 'deliverd'", "'deliverd' is none of delivered, "),
        ("default = { receipts = [{ stat = 'TWO WORDS' }] }", "$.default.receipts[0].stat"),
        ("default = 'deliverd'", "'deliverd' is none of delivered, "),
        ("[[rule]]\nmatch = { probability = 2 }\noutcome = 'closed'", "$.rule[0].match.probability"),
        ("[[rule]]\nmatch = { to_pattern = '(' }\noutcome = 'closed'", "to_pattern: '('"),
        ("[[rule]]\nmatch = { every = 2 }", "`outcome`"),
        ("profile = 'perfect'", "'perfect' is none of healthy, flaky"),
    ],
)
def test_a_wrong_scenario_is_named_in_one_line_with_its_file(tmp_path: Path, toml: str, complaint: str) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(toml)
    with pytest.raises(ScenarioError) as error:
        load(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert complaint in message
    assert "\n" not in message


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"nowhere.toml: No such file"):
        load(tmp_path / "nowhere.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match=r"binary.toml: not UTF-8"):
        load(tmp_path / "binary.toml")


def test_the_profiles_named_are_the_profiles_in_the_box() -> None:
    box = resources.files("tidings.carriers.simulator") / "scenarios"
    assert {file.name for file in box.iterdir()} == {f"{name}.toml" for name in PROFILES}
    assert all(isinstance(profile(name), Scenario) for name in PROFILES)


def test_a_scenario_changes_single_faults_of_its_profile() -> None:
    faults = parse("profile = 'capped'\n[faults]\nthroughput = 3").faults
    assert (faults.throughput, faults.pending) == (3, profile("capped").faults.pending)


def test_a_dead_carrier_answers_no_submission_whatever_the_number() -> None:
    scenario = profile("dead")
    assert {each.answer for each in behaviours(scenario, [segment(), segment("15551230200")])} == {Answer.NONE}


# --- choosing


@pytest.mark.parametrize(("digits", "outcome"), NUMBERS.items())
def test_the_last_four_digits_choose(digits: str, outcome: str) -> None:
    [chosen] = behaviours(Scenario(), [segment(f"+1555123{digits}")])
    assert chosen == OUTCOMES[outcome]


def test_rules_come_before_numbers_and_numbers_before_the_profile() -> None:
    own = "[[rule]]\nmatch = { sender = '+15550009999' }\noutcome = 'refused'"
    scenario = parse(f"profile = 'slow'\n{own}")
    slow = behaviours(profile("slow"), [segment()])[0]
    assert slow.delay == 2.0
    assert behaviours(
        scenario,
        [segment("15551230200", sender="15550009999"), segment("15551230200"), segment()],
    ) == [REFUSED, DELIVERED, slow]


@pytest.mark.parametrize(
    ("match", "meets", "misses"),
    [
        ("to_suffix = '0777'", segment("15551230777"), segment("15550777000")),
        ("to_prefix = '+44'", segment("447700900000"), segment("15551239999")),
        ("to_prefix = '44'", segment("+447700900000"), segment("+14400000000")),
        ("to_pattern = '^1555.*[13]$'", segment("15551239993"), segment("15551239994")),
        ("sender = 'TIDINGS'", segment(sender="TIDINGS"), segment(sender="TIDING")),
        ("sender = '+15550001111'", segment(), segment(sender="15550001112")),
        ("text = 'ell'", segment(text="hello"), segment(text="hullo")),
        ("text = 'ell', to_suffix = '9999'", segment(), segment("15551239998")),
    ],
)
def test_a_rule_is_for_what_meets_all_it_names(match: str, meets: Segment, misses: Segment) -> None:
    toml = f"[[rule]]\nmatch = {{ {match} }}\noutcome = 'refused'"
    assert behaviour(toml, meets) == REFUSED
    assert behaviour(toml, misses) == DELIVERED


def test_every_counts_what_meets_the_rest_of_the_rule() -> None:
    scenario = parse("[[rule]]\nmatch = { to_suffix = '1', every = 3 }\noutcome = 'refused'")
    one, other = segment("15550000001"), segment("15550000002")
    met = behaviours(scenario, [one, other, one, other, one, one])
    assert [each == REFUSED for each in met] == [False, False, False, False, True, False]


def test_times_counts_each_segment_for_itself_and_then_accepts_it() -> None:
    one, other = segment("15551230429", text="one"), segment("15551230429", text="other")
    met = behaviours(Scenario(), [one, one, other, one, one, other, one])
    throttled = OUTCOMES["throttled"]
    assert throttled.status == 0x58
    accepted = Behaviour(receipts=throttled.receipts)
    assert met == [throttled, throttled, throttled, throttled, accepted, throttled, throttled]


# --- chance

HALF = "[[rule]]\nmatch = { probability = 0.5 }\noutcome = 'refused'"
CROWD = [segment(text=f"message {number}") for number in range(400)]


def drawn(toml: str, segments: list[Segment]) -> dict[str, bool]:
    chosen = behaviours(parse(toml), segments)
    return {each.text: what == REFUSED for each, what in zip(segments, chosen, strict=True)}


def test_the_same_seed_draws_the_same_in_any_order() -> None:
    assert drawn(f"seed = 1\n{HALF}", CROWD) == drawn(f"seed = 1\n{HALF}", CROWD[::-1])


def test_another_seed_draws_otherwise_and_both_keep_to_the_probability() -> None:
    one, two = drawn(f"seed = 1\n{HALF}", CROWD), drawn(f"seed = 2\n{HALF}", CROWD)
    assert one != two
    assert 160 < sum(one.values()) < 240
    assert 160 < sum(two.values()) < 240


def test_a_segment_that_comes_again_is_drawn_again() -> None:
    met = behaviours(parse(f"seed = 1\n{HALF}"), repeat(segment(), 40))
    assert {each == REFUSED for each in met} == {True, False}


def test_drawing_does_not_count_as_a_submission_answered() -> None:
    scenario = parse("[[rule]]\nmatch = { probability = 0.999999999999 }\noutcome = 'throttled'")
    assert [each.status for each in behaviours(scenario, repeat(segment(), 5))] == [0x58, 0x58, 0x58, 0, 0x58]


def test_two_rules_draw_apart() -> None:
    both = f"seed = 1\n{HALF}\n[[rule]]\nmatch = {{ probability = 0.5 }}\noutcome = 'closed'"
    met = behaviours(parse(both), CROWD)
    assert 60 < sum(each == OUTCOMES["closed"] for each in met) < 140


# --- limits


def statuses(faults: Faults, moments: Iterable[float]) -> list[int]:
    pressure = Pressure(faults)
    return [pressure.status(int(moment * SECOND), pending=0) for moment in moments]


def test_above_the_throughput_submissions_are_throttled_until_the_allowance_has_grown() -> None:
    faults = Faults(throughput=2.0)
    assert statuses(faults, [0, 0, 0, 0.4, 0.6, 0.6, 9, 9, 9]) == [0, 0, 0x58, 0x58, 0, 0x58, 0, 0, 0x58]


def test_a_throughput_below_one_a_second_lets_through_one_now_and_then() -> None:
    assert statuses(Faults(throughput=0.5), [0, 1, 2, 3]) == [0, 0x58, 0, 0x58]


def test_the_queue_is_full_for_its_period_counted_from_the_first_submission() -> None:
    full = Faults(queue_full=(2.0, 60.0))
    assert statuses(full, chain([100], [101.9, 102, 161.9, 162])) == [0, 0, 0x14, 0x14, 0]


def test_a_bind_with_too_many_unanswered_submissions_gets_no_more() -> None:
    pressure = Pressure(Faults(pending=2))
    assert [pressure.status(0, pending) for pending in (0, 1, 2)] == [0, 0, 0x14]


# --- ids


@pytest.mark.parametrize(
    ("spelling", "spelled"),
    [
        (Spelling.DECIMAL, "1234567890"),
        (Spelling.HEX, "499602d2"),
        (Spelling.UPPER_HEX, "499602D2"),
        (Spelling.PADDED, "00000000001234567890"),
        (Spelling.UUID, "2d206994-0000-0000-0000-000000000000"),
        (Spelling.EMPTY, ""),
        (Spelling.SAME, "said-as-abc"),
        (Spelling.UPPER, "SAID-AS-ABC"),
        (Spelling.TRUNCATED10, "said-as-ab"),
        (Spelling.TAIL, "said-as-abc@15551230000"),
        (Spelling.UNKNOWN, "unknown-1234567890"),
    ],
)
def test_ids_are_spelled_as_carriers_do(spelling: Spelling, spelled: str) -> None:
    assert spell(spelling, 1234567890, "said-as-abc", "15551230000") == spelled
