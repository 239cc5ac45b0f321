"""Who is asked about a message to a number in a service, and what a keyword is answered."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.gateway.application import ACCOUNT, RECIPIENT, SENDER
from tests.gateway.handset import received
from tidings.arranged import Application, Handler, Handling, Keywords, Member, Sender, Service
from tidings.carriers.smpp.pdu import ShortMessage
from tidings.gateway.routes import Route
from tidings.lifecycle import Status
from tidings.model import Direction, Message
from tidings.store.base import Change, MessageFilter

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

SERVICE = "5e" * 16
OWN = Handling(handler=Handler.MARKUP, url="http://127.0.0.1:9/number")
ITS = Handling(handler=Handler.MARKUP, url="http://127.0.0.1:9/service", method="GET")


async def in_service(site: "Site", own: Handling = OWN, **service: Any) -> None:
    """The number has a handling of its own, and is in a service."""
    now = site.gateway.clock.now()
    await site.gateway.put_sender(Sender(SENDER, ACCOUNT, handling=own))
    await site.store.put_resource(Service(SERVICE, ACCOUNT, now, now, **service))
    await site.store.put_resource(Member("aa" * 16, ACCOUNT, now, now, SERVICE, SENDER))
    site.gateway.services.forget(ACCOUNT)


def said(text: bytes) -> ShortMessage:
    return ShortMessage(source_addr=RECIPIENT[1:], destination_addr=SENDER[1:], short_message=text)


def asks(message: Message) -> str | None:
    """The URL that is asked about it."""
    webhook = message.extras.get("webhook")
    return webhook and webhook["url"]


# --- who is asked
@pytest.mark.parametrize(
    ("defers", "handling", "url"),
    [(True, ITS, OWN.url), (False, ITS, ITS.url), (True, Handling(), OWN.url), (False, Handling(), None)],
)
async def test_the_service_says_who_is_asked_unless_it_leaves_that_to_the_number(
    bench: "Bench", defers: bool, handling: Handling, url: str | None
) -> None:
    centre, site = await bench.pair()
    await in_service(site, defers=defers, handling=handling)
    await centre.deliver(said(b"hello"))
    ((message, standing),) = await received(site)
    assert (asks(message), message.service) == (url, SERVICE)
    assert (message.dialect, standing.status) == ("twilio", Status.RECEIVED)


async def test_a_message_has_the_dialect_of_whoever_is_asked(bench: "Bench") -> None:
    centre, site = await bench.pair()
    compat = Handling(handler=Handler.MARKUP, dialect="signalwire_compat", url="http://127.0.0.1:9/cxml")
    await in_service(site, defers=False, handling=compat)
    await centre.deliver(said(b"hello"))
    ((message, _),) = await received(site)
    assert message.dialect == "signalwire_compat"


async def test_what_asks_nobody_is_kept_and_listed(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await in_service(site, defers=False)
    await centre.deliver(said(b"hello"))
    ((message, _),) = await received(site)
    assert await site.store.callbacks(message.id) == []


async def test_an_application_of_the_number_is_asked_and_told_where_the_service_defers(bench: "Bench") -> None:
    centre, site = await bench.pair()
    now = site.gateway.clock.now()
    application = Application(
        "ab" * 16, ACCOUNT, now, now, url="http://127.0.0.1:9/app", status_callback="http://127.0.0.1:9/status"
    )
    await site.store.put_resource(application)
    handling = Handling(handler=Handler.APPLICATION, application=application.id)
    await in_service(site, handling)
    await centre.deliver(said(b"hello"))
    ((message, _),) = await received(site)
    assert (asks(message), message.callback_url) == (application.url, application.status_callback)


async def test_a_number_in_no_service_answers_for_itself(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await site.gateway.put_sender(Sender(SENDER, ACCOUNT, handling=OWN))
    await centre.deliver(said(b"hello"))
    ((message, _),) = await received(site)
    assert (asks(message), message.service) == (OWN.url, None)


# --- keywords
async def answers(site: "Site") -> list[Message]:
    found = await site.store.messages(ACCOUNT, MessageFilter(), 100)
    return [message for message, _ in found if message.direction is not Direction.INBOUND]


async def test_a_keyword_is_answered_before_the_carrier_is(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await centre.deliver(said(b"STOP"))
    (answer,) = await answers(site)
    assert (answer.sender, answer.recipient) == (SENDER, RECIPIENT)
    ((message, _),) = await received(site)
    assert "opt_out" not in message.extras, "Twilio tells that only with keywords of one's own"


@pytest.mark.parametrize("word", ["STOP", "HELP", "raus"])
async def test_with_keywords_of_its_own_a_service_has_its_messages_say_how_they_were_read(
    bench: "Bench", word: str
) -> None:
    centre, site = await bench.pair()
    await in_service(site, keywords=(Keywords(language="de", stop=("RAUS",)),))
    await centre.deliver(said(word.encode()))
    ((message, _),) = await received(site)
    assert message.extras["opt_out"] == ("HELP" if word == "HELP" else "STOP")


async def test_an_answer_that_cannot_be_sent_has_nothing_brought_again(
    bench: "Bench", caplog: pytest.LogCaptureFixture
) -> None:
    centre, site = await bench.pair(routes=[Route("+44", ("main",))])
    await centre.deliver(said(b"STOP"))
    assert [message.body for message, _ in await received(site)] == ["STOP"]
    assert await site.store.opted_out(ACCOUNT, SENDER, RECIPIENT)
    assert await answers(site) == []
    assert "its keyword is not answered" in caplog.text


def answered(change: Change) -> bool:
    return any(message.direction is Direction.OUTBOUND_REPLY for message in change.messages)


@pytest.mark.parametrize("kept", [False, True])
async def test_a_keyword_is_kept_with_its_answer_or_brought_again(bench: "Bench", kept: bool) -> None:
    centre, site = await bench.pair()
    if kept:
        site.store.fail_behind = answered
    else:
        site.store.fail = answered
    with pytest.raises(AssertionError, match="0x64"):
        await centre.deliver(said(b"STOP"))
    assert await site.store.opted_out(ACCOUNT, SENDER, RECIPIENT) is kept
    assert len(await answers(site)) == kept

    site.store.fail = site.store.fail_behind = lambda change: False
    await centre.deliver(said(b"STOP"))

    assert [message.body for message, _ in await received(site)] == ["STOP"]
    (answer,) = await answers(site)
    asked = await centre.submission()
    asked.accept("id1")
    await site.until(answer.id, Status.SENT)
    assert await site.store.opted_out(ACCOUNT, SENDER, RECIPIENT)
    assert len(centre.asked) == 1
