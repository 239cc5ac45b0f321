"""`tidings send` and `tidings listen`, against a gateway."""

import re
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from tests.cli.executable import Ended, Inside, Running, Serving, complaint
else:
    from executable import Ended, Inside, Running, Serving, complaint


def test_sent_and_listened_to_with_nothing_but_the_data_directory(
    gateway: Serving, tidings: Ended, start: Callable[..., Running]
) -> None:
    data = ("--data", str(gateway.data))
    listening = start("listen", "--port", "0", *data)
    url = listening.line(r"Listening on (http://\S+), checking signatures")[1]

    ended = tidings("send", "--to", "+15551230200", "--callback", f"{url}/status?order=a%2Fb", "--wait", *data)

    assert ended.returncode == 0
    sid, *history = ended.stdout.splitlines()
    assert re.fullmatch(r"SM[0-9a-f]{32} queued", sid)
    assert [line.split()[1] for line in history] == ["queued", "sending", "sent", "delivered"]
    for status in ("sent", "delivered"):
        listening.line(rf"{status} +{sid[:34]}  to \+15551230200  signature verified$")
    assert listening.stop(signal.SIGINT) == 0
    assert listening.printed[-1] == "2 received, 0 with a wrong or missing signature"


def test_wrong_and_missing_signatures_are_flagged_and_refused(start: Callable[..., Running]) -> None:
    listening = start("listen", "--port", "0", "--token", "ours")
    url = listening.line(r"Listening on (http://\S+),")[1]
    form = {"MessageSid": "SM" + "1" * 32, "MessageStatus": "sent\x1b[2J"}

    unsigned = httpx.post(url, data=form)
    forged = httpx.post(url, data=form, headers={"X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="})

    assert (unsigned.status_code, forged.status_code) == (403, 403)
    listening.line(r"sent\\x1b\[2J .* SIGNATURE MISSING \(1 so far\)$")
    listening.line(r"SIGNATURE WRONG \(2 so far\)$")
    assert listening.stop() == 1


def test_a_message_that_ends_undelivered_ends_with_1_and_the_reason(gateway: Serving, tidings: Ended) -> None:
    ended = tidings("send", "--to", "+15551230403", "--wait", "--data", str(gateway.data))

    assert ended.returncode == 1
    assert "error 30004: The recipient or its operator blocks this message" in ended.stdout.splitlines()[-1]


def test_waiting_ends_where_no_final_status_comes(gateway: Serving, tidings: Ended) -> None:
    ended = tidings("send", "--to", "+15551230202", "--wait", "--timeout", "0.7", "--data", str(gateway.data))

    assert re.fullmatch(r"SM\w+ is sent after 0.7 s, which is not final", complaint(ended))
    assert ended.returncode == 1


def test_a_refusal_is_told_with_its_code(gateway: Serving, inside: Inside) -> None:
    ended = inside("send", "--to", "nobody", "--data", str(gateway.data))

    assert complaint(ended).startswith("the gateway refused it: error 21211: ")
    assert ended.returncode == 1


def test_wrong_credentials_are_one_line(gateway: Serving, tidings: Ended) -> None:
    environment = {
        "TIDINGS_URL": gateway.url,
        "TIDINGS_ACCOUNT_SID": gateway.account,
        "TIDINGS_AUTH_TOKEN": "wrong",
    }

    ended = tidings("send", "--to", "+15551230200", env=environment)

    assert complaint(ended).startswith("the gateway refused it: error 20003: ")


def test_no_credentials_are_one_line(inside: Inside) -> None:
    ended = inside("send", "--to", "+15551230200")

    assert complaint(ended).startswith("no credentials: ")
    assert ended.returncode == 2
