"""`tidings inbound`: a handset of the simulated carrier writes, and whoever answers the number does."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import httpx
import pytest

from tests.cli.callee import Callee
from tests.cli.executable import Inside, Running, Serving, complaint
from tidings.callbacks.signing import twilio_signature
from tidings.dialects.own_simulator import MAX_MEDIA_SIZE

if TYPE_CHECKING:
    from subprocess import CompletedProcess

HANDSET, NUMBER, SECOND = "+15551230200", "+15005550006", "+15551230000"
TWIML = b"<Response><Message>You are welcome</Message></Response>"

Run = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def run(gateway: Serving, inside: Inside) -> Run:
    """Run `tidings …` for the gateway of this module."""
    return lambda *arguments: inside(*arguments, "--data", str(gateway.data))


@pytest.fixture
def callee() -> Iterator[Callee]:
    application = Callee(200)
    application.words, application.content_type = TWIML, "text/xml"
    yield application
    application.close()


def until(gateway: Serving, path: str, found: Callable[[Any], Any], **query: str) -> Any:
    """What is found at a path of the API, once there is any."""
    with gateway.http() as http:
        while not (what := found(http.get(path, params=query).json())):
            pass
    return what


def test_who_answers_a_number_is_asked_and_replies(gateway: Serving, run: Run, callee: Callee) -> None:
    url = f"{callee.host}/sms"
    run("numbers", "answer", NUMBER, "--twiml", url)

    ended = run("inbound", "--from", HANDSET, "--body", "Thanks")

    assert (ended.returncode, ended.stderr) == (0, "")
    came, answered, how, history = ended.stdout.splitlines()
    sid = came[:34]
    assert re.fullmatch(rf"SM[0-9a-f]{{32}} came in to \{NUMBER} through simulator", came)
    assert answered == f"answered by TwiML from POST {url}"
    assert how == f"how that went: tidings callbacks list --target webhook --message {sid}"
    assert history == f"its history: curl -u {gateway.account} {gateway.url}/v1/messages/{sid}/events"
    called = callee.called()
    form = parse_qs(called.body.decode(), keep_blank_values=True)
    assert (form["MessageSid"], form["From"], form["To"], form["Body"]) == ([sid], [HANDSET], [NUMBER], ["Thanks"])
    params = [(name, value) for name, (value,) in form.items()]
    assert called.headers["x-twilio-signature"] == twilio_signature(gateway.token, url, params)
    reply = until(
        gateway,
        f"/2010-04-01/Accounts/{gateway.account}/Messages.json",
        lambda page: [one for one in page["messages"] if one["body"] == "You are welcome"],
        To=HANDSET,
    )
    assert [(one["from"], one["direction"]) for one in reply] == [(NUMBER, "outbound-reply")]


def test_the_callback_that_asked_is_listed_and_shown(gateway: Serving, run: Run, callee: Callee) -> None:
    run("numbers", "answer", NUMBER, "--twiml", callee.host)
    sid = run("inbound", "--from", HANDSET).stdout[:34]
    query = {"message": sid, "target": "webhook", "state": "done"}
    (callback,) = until(gateway, "/v1/callbacks", lambda page: page["callbacks"], **query)

    listed = run("callbacks", "list", "--target", "webhook", "--message", sid)
    shown = run("callbacks", "show", callback["id"])

    assert re.fullmatch(rf"{callback['id']}  \S+Z  done +1 attempt  webhook:{callee.host}  200\n", listed.stdout)
    assert f"goes to     {callee.host}, which answers the number it came to\n" in shown.stdout
    assert TWIML.decode() in shown.stdout


def test_a_document_that_is_kept_is_not_asked_for(gateway: Serving, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("receive: {}\n")
    run("numbers", "answer", NUMBER, "--swml-file", "a.yaml")
    sid = run("inbound", "--from", HANDSET).stdout[:34]
    until(gateway, "/v1/callbacks", lambda page: page["callbacks"], message=sid, state="done")

    listed = run("callbacks", "list", "--message", sid)

    assert re.fullmatch(r"[0-9a-f]{32}-2-webhook  \S+Z  done +1 attempt  script:\n", listed.stdout)


def test_media_go_with_it_and_can_be_fetched(gateway: Serving, run: Run, callee: Callee, tmp_path: Path) -> None:
    picture = bytes(range(256)) * 500
    (tmp_path / "a.png").write_bytes(picture)
    (tmp_path / "b.unheard-of").write_bytes(b"what")
    run("numbers", "answer", NUMBER, "--cxml", callee.host)

    ended = run("inbound", "--from", HANDSET, "--body", "Look", "--media", "a.png", "--media", "b.unheard-of")

    assert re.match(rf"MM[0-9a-f]{{32}} came in to \{NUMBER} through simulator-mms\n", ended.stdout)
    form = parse_qs(callee.called().body.decode())
    assert (form["Body"], form["NumMedia"]) == (["Look"], ["2"])
    assert (form["MediaContentType0"], form["MediaContentType1"]) == (["image/png"], ["application/octet-stream"])
    assert httpx.get(form["MediaUrl0"][0]).content == picture


def test_a_long_text_is_one_message_and_may_have_nobody_who_answers(run: Run) -> None:
    run("numbers", "answer", NUMBER, "--nobody")

    ended = run("inbound", "--from", HANDSET, "--body", "x" * 200)

    came, nobody, history = ended.stdout.splitlines()
    assert came[2:34] in history
    assert nobody == f"nobody answers it: tidings numbers answer {NUMBER} --twiml URL would change that"


def test_segments_come_as_they_are_told_to(run: Run) -> None:
    run("numbers", "answer", NUMBER, "--nobody")
    text = ["inbound", "--from", HANDSET, "--body", "x" * 400, "--segments-by", "sar", "--segments-order"]

    half, whole = run(*text, "3,1"), run(*text, "3,1,2")

    assert half.stdout == f"no message for {NUMBER} yet: it lacks segments, or is one that came before\n"
    assert re.match(rf"SM[0-9a-f]{{32}} came in to \{NUMBER} through simulator\n", whole.stdout)


def test_an_order_is_of_numbers(run: Run) -> None:
    ended = run("inbound", "--from", HANDSET, "--segments-order", "last")

    assert ended.returncode == 2
    assert "'--segments-order': last: not numbers of segments, as in 3,1" in ended.stderr


def test_relay_is_looked_for_elsewhere(run: Run) -> None:
    run("numbers", "answer", SECOND, "--relay", "office")

    ended = run("inbound", "--from", HANDSET, "--to", SECOND)

    _, answered, how, _ = ended.stdout.splitlines()
    assert answered == "answered by RELAY sessions in context office"
    assert "--target relay --message SM" in how


@pytest.mark.parametrize(
    ("arguments", "complained"),
    [
        (["--from", HANDSET, "--to", "+15005559999"], "error 20422: A parameter is not valid: to: +15005559999"),
        (["--from", "x@example.com"], "error 20422: A parameter is not valid: from: x@example.com"),
        (["--from", HANDSET, "--body", "x" * 1601], "length <= 1600"),
    ],
)
def test_what_the_gateway_refuses_is_one_line(run: Run, arguments: list[str], complained: str) -> None:
    ended = run("inbound", *arguments)

    assert complained in complaint(ended)
    assert ended.returncode == 1


def test_media_have_a_limit(run: Run, tmp_path: Path) -> None:
    (tmp_path / "half").write_bytes(bytes(MAX_MEDIA_SIZE // 2 + 1))

    ended = run("inbound", "--from", HANDSET, "--media", "half", "--media", "half")

    assert complaint(ended) == "the media have more than 5242880 bytes together"
    assert ended.returncode == 1


def test_the_settings_of_a_gateway_say_where_it_is_and_for_which_account(
    inside: Inside, start: Callable[..., Running], tmp_path: Path
) -> None:
    sid, settings = "AC" + "0e" * 16, tmp_path / "tidings.toml"
    described = (
        '[server]\nhost = "0.0.0.0"\nport = {port}\n'
        '[[account]]\nsid = "AC{test}"\nauth_token = "u"\ntest = true\n'
        f'[[account]]\nsid = "{sid}"\nauth_token = "t"\nnumbers = ["{NUMBER}"]\n'
        '[[carrier]]\nname = "here"\nkind = "simulator"\n[[route]]\nto = "+"\ncarriers = ["here"]\n'
    )
    settings.write_text(described.format(port=0, test="0f" * 16))
    running = start("serve", "--config", str(settings), "--data", "data")
    port = running.line(r"listens on http://\S+:(\d+)")[1]
    settings.write_text(described.format(port=port, test="0f" * 16))

    ended = inside("inbound", "--from", HANDSET, "--config", str(settings), "--data", "elsewhere")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"came in to {NUMBER} through here" in ended.stdout
    assert f"curl -u {sid} http://127.0.0.1:{port}/v1/messages/" in ended.stdout


def test_settings_that_cannot_be_read_are_one_line(inside: Inside) -> None:
    assert complaint(inside("inbound", "--from", HANDSET, "--config", "nowhere.toml")).startswith("nowhere.toml")
