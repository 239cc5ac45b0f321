"""`tidings demo`: what `make run` shows, and how it ends."""

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable

from twilio.rest import Client

from tests.cli.executable import Ended, Running, complaint

STEP = re.compile(r"^\d\d:\d\d:\d\d\.\d{3}  (\w+) ", re.MULTILINE)
CALLBACK = re.compile(r"^\d\d:\d\d:\d\d\.\d{3}    callback   (\w+).*: (.*)$", re.MULTILINE)


def test_demo_shows_four_statuses_and_two_signed_callbacks_and_ends_0(tidings: Ended) -> None:
    ended = tidings("demo", "--once", "--port", "0")

    assert STEP.findall(ended.stdout) == ["queued", "sending", "sent", "delivered"]
    assert CALLBACK.findall(ended.stdout) == [
        ("sent", "signature verified"),
        ("delivered", "signature verified"),
    ]
    assert "2 of 2 callbacks had a valid X-Twilio-Signature" in ended.stdout
    assert (ended.returncode, ended.stderr) == (0, "")


def test_demo_ends_1_when_the_message_is_not_delivered(tidings: Ended) -> None:
    ended = tidings("demo", "--once", "--port", "0", "--to", "+15551230403")

    assert STEP.findall(ended.stdout)[-1] == "undelivered"
    assert "30004" in ended.stdout
    assert ended.returncode == 1


def test_demo_ends_1_when_nothing_more_is_heard_of_the_message(tidings: Ended) -> None:
    ended = tidings("demo", "--once", "--port", "0", "--to", "+15551230202", "--timeout", "0.7")

    assert STEP.findall(ended.stdout)[-1] == "sent"
    assert "did not come to its end within 0.7 s" in ended.stdout
    assert ended.returncode == 1


def test_demo_says_why_the_gateway_refused_the_message(tidings: Ended) -> None:
    ended = tidings("demo", "--once", "--port", "0", "--to", "nobody")

    assert "21211" in complaint(ended)
    assert ended.returncode == 1


def test_demo_goes_on_serving_with_what_it_prints(start: Callable[..., Running]) -> None:
    demo = start("demo", "--port", "0")
    url = demo.line(r"URL +(http://\S+)")[1]
    account = demo.line(r"account SID +(\w+)")[1]
    token = demo.line(r"auth token +(\w+)")[1]
    callbacks = demo.line(r'status_callback="(\S+)"')[1]
    curl = shlex.split(demo.line(r"curl -u .*Body=Hello")[0])
    demo.line("whole history")

    assert curl[2] == f"{account}:{token}"
    assert curl[3].startswith(url)
    client = Client(account, token)
    client.api.base_url = url
    client.messages.create(to="+15551230404", from_="+15005550006", body="Hello", status_callback=callbacks)
    demo.line(r"callback +sent: signature verified")
    demo.line(r"callback +undelivered, ErrorCode 30005: signature verified")
    assert demo.stop(signal.SIGINT) == 0
    assert demo.logged == []


def test_demo_without_the_twilio_package_says_how_to_install_it() -> None:
    program = "import sys; sys.modules['twilio'] = None; from tidings.cli import run; sys.exit(run(['demo']))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)

    assert "pip install 'tidings[demo]'" in complaint(ended)
    assert ended.returncode == 1
