"""`tidings send` and `tidings listen`, against a gateway."""

import base64
import re
import signal
from collections.abc import Callable
from hashlib import sha256

import httpx
import pytest

from tests.cli.executable import Ended, Inside, Running, Serving, complaint
from tidings.callbacks.signing import signalwire_signature, twilio_signature, webhook_signature
from tidings.ids import dashed


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


KEY, SHARED = "webhooks_sharedkey_1", "a secret"
SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
JSON = {"Content-Type": "application/json; charset=utf-8"}


def _posted(url: str, body: bytes, *, signed: bytes) -> httpx.Response:
    """JSON, in a request whose signature covers the body `signed`."""
    url = f"{url}/?bodySHA256={sha256(signed).hexdigest()}"
    headers = {
        **JSON,
        "X-Twilio-Signature": twilio_signature(SHARED, url, (), "sha256"),
        "X-Twilio-Webhooks-Signature-Settings": f"key={KEY},algorithm=HMAC_SHA256",
    }
    return httpx.post(url, content=body, headers=headers)


def _told(url: str, at: str, signature: str) -> httpx.Response:
    """As the account-wide URL is called."""
    headers = {**JSON, "webhook-id": "an event", "webhook-timestamp": at, "webhook-signature": signature}
    return httpx.post(url, content=b"{}", headers=headers)


def test_each_way_to_sign_is_checked_to_the_end(start: Callable[..., Running]) -> None:
    keys = ("--token", "ours", "--shared-key", f"{KEY}:{SHARED}", "--secret", SECRET)
    listening = start("listen", "--port", "0", *keys)
    url = listening.line(r"Listening on (http://\S+),")[1]
    body = b'{"MessageStatus": "sent"}'
    good = webhook_signature(SECRET, "an event", 1, b"{}")

    answers = [
        _posted(url, body, signed=body),
        _posted(url, body.replace(b"sent", b"read"), signed=body),
        _told(url, "1", f"v1,AAAA {good}"),
        _told(url, "2", good),
        _told(url, "soon", good),
        httpx.get(url, params={"MessageStatus": "sent"}, headers={"X-Twilio-Signature": "AAAA"}),
    ]

    assert [answer.status_code for answer in answers] == [204, 403, 204, 403, 403, 403]
    for line in (
        "sent .* signature verified$",
        r"read .* BODY NOT THE ONE THAT WAS SIGNED \(1 so far\)$",
        r"\? .* signature verified$",
        r"SIGNATURE WRONG \(2 so far\)  \(told before\)$",
        r"SIGNATURE WITHOUT ITS TIME \(3 so far\)",
        r"SIGNATURE WRONG \(4 so far\)$",
    ):
        listening.line(line)
    assert listening.stop() == 1


@pytest.mark.parametrize("form", ["compat", "rest"])
def test_signalwires_callbacks_are_checked_and_explained(
    gateway: Serving, tidings: Ended, start: Callable[..., Running], form: str
) -> None:
    data = ("--data", str(gateway.data))
    listening = start("listen", "--port", "0", *data)
    url = listening.line(r"Listening on (http://\S+), checking signatures")[1] + "/status"
    project = dashed(gateway.account[2:])
    with gateway.http() as http:
        if form == "compat":
            order = {"From": "+15005550006", "To": "+15551230408", "Body": "hi", "StatusCallback": url}
            sid = http.post(f"/api/laml/2010-04-01/Accounts/{project}/Messages", data=order).json()["sid"]
        else:
            wanted = {"from": "+15005550006", "to": "+15551230408", "body": "hi", "status_callback": url}
            sid = http.post("/api/messaging/messages", json=wanted).json()["id"]
    code = "30003" if form == "compat" else "unreachable_destination_handset"
    listening.line(rf"queued +{sid}  to \+15551230408 .*signature verified$")
    listening.line(rf"undelivered +{sid}  to \+15551230408 .*{code}.*signature verified$")
    assert listening.stop(signal.SIGINT) == 0

    explained = tidings("explain-signature", f"{sid.replace('-', '')}-1", *data)
    assert explained.returncode == 0, explained.stderr
    assert "X-SignalWire-Signature" in explained.stdout
    assert "signing key: the current signing key makes this signature" in explained.stdout


def test_a_signing_key_that_is_wrong_is_noticed(start: Callable[..., Running]) -> None:
    listening = start("listen", "--port", "0", "--signing-key", "PSK_ours")
    url = listening.line(r"Listening on (http://\S+),")[1]
    body = b'{"id": "x", "status": "sent"}'
    good = signalwire_signature("PSK_ours", url + "/", body)

    def posted(content: bytes) -> int:
        return httpx.post(url, content=content, headers={**JSON, "X-SignalWire-Signature": good}).status_code

    assert (posted(body), posted(body.replace(b"sent", b"read"))) == (204, 403)
    listening.line("sent .* signature verified$")
    listening.line(r"read .* SIGNATURE WRONG \(1 so far\)$")
    assert listening.stop() == 1


def test_a_key_that_is_not_given_is_named(start: Callable[..., Running]) -> None:
    listening = start("listen", "--port", "0", "--token", "ours")
    url = listening.line(r"Listening on (http://\S+),")[1]

    assert (_posted(url, b"{}", signed=b"{}").status_code, _told(url, "1", "v1,AAAA").status_code) == (403, 403)

    listening.line(rf"SIGNED WITH {KEY}, WHICH IS NOT GIVEN \(1 so far\)$")
    listening.line(r"SIGNED WITH A SECRET \(whsec_…\) THAT IS NOT GIVEN \(2 so far\)$")


@pytest.mark.parametrize(
    ("arguments", "complained"),
    [
        (["--shared-key", KEY], "a shared key is given as ID:SECRET"),
        (["--secret", "hush"], "a webhook secret begins with whsec_"),
        (["--secret", "whsec_hush"], "24 to 64 bytes"),
    ],
)
def test_what_is_no_key_is_one_line(arguments: list[str], complained: str, inside: Inside) -> None:
    ended = inside("listen", "--port", "0", *arguments)

    assert complained in complaint(ended)
    assert ended.returncode == 2


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
