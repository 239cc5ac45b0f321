from pathlib import Path
from zoneinfo import available_timezones

import pytest

from tidings.carriers.base import Verdict
from tidings.carriers.smpp.command_status import Kind, classify
from tidings.carriers.smpp.profile import ProfileError, error_key, load, names
from tidings.errors import CATALOGUE


def write(folder: Path, content: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(content)
    return path


@pytest.mark.parametrize("name", names())
def test_every_shipped_profile_loads_and_names_only_known_codes(name: str) -> None:
    profile = load(name)
    assert profile.name == name
    assert profile.about
    codes = [
        *profile.errors.values(),
        *profile.network_errors.values(),
        *(rule.error for rule in profile.states.values()),
        *(rule.error for rule in profile.command_status.values()),
    ]
    assert [code for code in codes if code not in CATALOGUE and code != 0] == []


@pytest.mark.parametrize("name", names())
def test_every_shipped_profile_keeps_what_the_specification_says_of_states(name: str) -> None:
    profile = load(name)
    verdicts = [profile.states[profile.message_states[number]].verdict for number in range(10)]
    progress, good, bad = Verdict.PROGRESS, Verdict.DELIVERED, Verdict.UNDELIVERED
    assert verdicts == [progress, progress, good, bad, bad, bad, progress, Verdict.UNKNOWN, bad, bad]


def test_the_default_profile_reads_no_meaning_into_errors() -> None:
    assert load().errors == {"0": 0}
    assert load().network_errors == {"0": 0}
    assert load().command_status == {}


def test_one_number_means_different_things_at_different_carriers() -> None:
    meanings = {name: load(name).errors["1"] for name in ("twilio_style", "vonage", "gsm_map", "sms_central")}
    assert meanings == {"twilio_style": 30003, "vonage": 30008, "gsm_map": 30005, "sms_central": 0}


def test_a_profile_is_read_once() -> None:
    assert load("vonage") is load("vonage")


def test_an_operators_file_says_only_what_differs(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        extends = "vonage"
        version = 7
        window = 10
        throughput = 25.5
        [ids]
        strip_tail = ["@"]
        [errors]
        001 = 30003
        00b = 30007
        [states]
        nack = { verdict = "undelivered", error = 30004 }
        [command_status]
        0x08 = { kind = "message", error = 30005 }
        1025 = { kind = "bind", name = "OUT_OF_CREDIT" }
        """,
    )
    profile = load(path)
    assert (profile.name, profile.version, profile.window, profile.throughput) == ("mine", 7, 10, 25.5)
    assert (profile.ids.base, profile.ids.strip_tail) == ("response_hex", ("@",))
    assert (profile.errors["1"], profile.errors["6"], profile.errors["00B"]) == (30003, 30007, 30007)
    assert profile.states["NACK"].error == 30004
    assert profile.states["DELIVRD"].verdict is Verdict.DELIVERED
    assert (classify(0x08, profile).kind, classify(0x08, profile).name) == (Kind.MESSAGE, "RSYSERR")
    assert (classify(0x401, profile).kind, classify(0x401, profile).name) == (Kind.BIND, "OUT_OF_CREDIT")
    assert classify(0x58, profile) is classify(0x58)


def test_a_file_that_extends_nothing_extends_the_default(tmp_path: Path) -> None:
    assert load(write(tmp_path, 'about = "bare"')).states == load().states


@pytest.mark.skipif("Europe/Paris" not in available_timezones(), reason="this machine has no time zone data")
def test_a_known_time_zone_is_taken(tmp_path: Path) -> None:
    assert load(write(tmp_path, 'timezone = "Europe/Paris"')).timezone == "Europe/Paris"


def test_a_file_may_extend_another_file_beside_it(tmp_path: Path) -> None:
    write(tmp_path, "window = 3", "base.toml")
    assert load(str(write(tmp_path, 'extends = "base.toml"\nthroughput = 1'))).window == 3


BAD = {
    "window = ": "Invalid value",
    "windows = 3": "unknown field `windows`",
    "window = 0": r"window",
    "deadline = 0": r"deadline",
    "errors = 3": r"\$\.errors",
    "[errors]\n1 = 'absent'": r"\$\.errors",
    "[errors]\n1 = 3000300": r"\$\.errors",
    "[errors]\n1 = 30003\n001 = 30003": "errors.001: given twice",
    "[ids]\nbase = 'octal'": "octal",
    "[ids]\ntruncate_to = 10": "cannot be converted",
    "[ids]\nupper = true": "unknown field `upper`",
    "[states]\nFOO = 'delivered'": r"\$\.states",
    "[states]\nFOO = { verdict = 'sent' }": "sent",
    "[message_states]\ntwo = 'DELIVRD'": "message_states.two: the key must be a number",
    "[message_states]\n10 = 'NOPE'": "message_states.10 is 'NOPE'",
    "[command_status]\nRSYSERR = { kind = 'route' }": "command_status.RSYSERR: the key must be a number",
    "[command_status]\n8 = { kind = 'wait' }": "wait",
    "timezone = 'Mars/Olympus'": "timezone 'Mars/Olympus' is not known",
    "timezone = '../etc/passwd'": "is not known",
    "trust = 'nobody'": "nobody",
    "extends = 3": "extends must be a name or path",
    "extends = 'nobody'": "'nobody': not known; there are clickatell, default,",
    "extends = 'mine.toml'": "extends itself",
    "extends = 'gone.toml'": "no such file",
}


@pytest.mark.parametrize("content", BAD)
def test_a_bad_file_gives_one_clear_line(tmp_path: Path, content: str) -> None:
    with pytest.raises(ProfileError, match=BAD[content]) as raised:
        load(write(tmp_path, content))
    assert str(raised.value).startswith("profile '")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["nobody", "", "Default", "..", "/nowhere/at/all.toml"])
def test_an_unknown_name_gives_one_clear_line(name: str) -> None:
    with pytest.raises(ProfileError, match=r"not known; there are .*vonage|no such file"):
        load(name)


def test_a_folder_or_binary_file_gives_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\0")
    for name in ("folder.toml", "binary.toml"):
        with pytest.raises(ProfileError, match=name):
            load(tmp_path / name)


@pytest.mark.parametrize(
    ("spelled", "key"),
    [
        ("000", "0"),
        ("0000", "0"),
        ("0", "0"),
        ("011", "11"),
        ("00b", "00B"),
        ("21b", "21B"),
        ("null", "NULL"),
        ("", ""),
    ],
)
def test_leading_zeros_mean_nothing_in_a_number_only(spelled: str, key: str) -> None:
    assert error_key(spelled) == key
