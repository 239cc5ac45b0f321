"""The environment of the old official client, and how its scripts are run."""

from pathlib import Path

import pytest

from tests.clients import old_client


async def test_the_old_client_is_the_one_its_users_have() -> None:
    assert await old_client.run("versions.py", "signalwire", "twilio", "aiohttp") == [
        {"signalwire": "2.1.1"},
        {"twilio": "6.54.0"},
        {"aiohttp": "3.9.5"},
    ]


async def test_a_script_that_fails_says_why() -> None:
    with pytest.raises(AssertionError, match=r"status 1(?s:.)*no-such-distribution"):
        await old_client.run("versions.py", "no-such-distribution")


async def test_lines_are_read_as_they_come() -> None:
    async with old_client.running("versions.py", "twilio", "no-such-distribution") as script:
        assert await script.line() == {"twilio": "6.54.0"}
        with pytest.raises(AssertionError, match=r"ended with status 1"):
            await script.line()


async def test_a_missing_environment_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_client, "PYTHON", Path("nowhere"))

    with pytest.raises(RuntimeError, match="make install"):
        await old_client.run("versions.py")
