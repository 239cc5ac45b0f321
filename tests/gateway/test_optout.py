"""The opt-out list: what handsets say, by what it is written otherwise, and whom it keeps messages from."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.gateway.application import ACCOUNT, RECIPIENT, SENDER
from tests.gateway.handset import Handset, received
from tidings.arranged import Keywords, Member, Sender, Service
from tidings.clock import SystemClock
from tidings.errors import Problem
from tidings.gateway.keywords import ANSWERS
from tidings.gateway.limits import QueueDepths
from tidings.gateway.optout import Heeded, OptOuts, OptOutSettings
from tidings.gateway.rates import QueueSettings, Rates
from tidings.gateway.services import Services
from tidings.ids import new_id
from tidings.lifecycle import Status
from tidings.model import Account, Channel, Direction, Message, OptOut
from tidings.settings import Settings
from tidings.store.base import Change, MessageFilter
from tidings.store.sqlite.store import SqliteStore
from tidings.text import Encoding

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench

SECOND, TOLL_FREE, CODE, NAME = "+15005550007", "+18005550100", "12345", "Tidings"
OTHER, BRITON = "+15551239999", "+447700900200"
SPANISH = Keywords("es", stop=("ALTO",), start=("ALTA",), help=("AYUDA",), stop_answer="No más.", help_answer="")


class CountedStore(SqliteStore):
    """Counts how often it is asked for an opt-out."""

    asked = 0

    async def opted_out(self, account: str, scope: str, recipient: str) -> bool:
        self.asked += 1
        return await super().opted_out(account, scope, recipient)


class Office:
    """Opt-outs over a store, and handsets that write to the senders of an account."""

    def __init__(self, store: CountedStore, settings: OptOutSettings) -> None:
        self.store = store
        self.clock = SystemClock()
        rates = Rates(QueueSettings(), QueueDepths())
        self.services = Services(store, rates, self.clock)
        self.opt_outs = OptOuts(store, self.services, settings)

    async def service(self, *members: str, **given: Any) -> str:
        """The id of a new service, of which these senders are."""
        now = self.clock.now()
        made = Service(new_id(now), ACCOUNT, now, now, **given)
        await self.store.put_resource(made)
        for address in members:
            await self.store.put_resource(Member(new_id(now), ACCOUNT, now, now, made.id, address))
        self.services.forget(ACCOUNT)
        return made.id

    async def read(self, body: str, to: str = SENDER, handset: str = RECIPIENT) -> Heeded | None:
        return await self.opt_outs.read(Sender(to, ACCOUNT), handset, body, await self.services.of(ACCOUNT, to))

    async def says(self, body: str, to: str = SENDER, handset: str = RECIPIENT) -> Heeded | None:
        """What is read in a message, which is then kept."""
        heeded = await self.read(body, to, handset)
        if heeded is not None:
            change = Change()
            self.opt_outs.keep(heeded, self._message(handset, to, body), change)
            await self.store.commit(change)
        return heeded

    async def answer(self, body: str, to: str = SENDER, handset: str = RECIPIENT) -> str | None:
        heeded = await self.says(body, to, handset)
        return None if heeded is None else heeded.answer

    async def has(self, sender: str = SENDER, recipient: str = RECIPIENT, service: str | None = None) -> bool:
        return await self.opt_outs.has(ACCOUNT, sender, recipient, service)

    async def listed(self) -> list[OptOut]:
        return await self.store.opt_outs(ACCOUNT, None, None, 1000)

    def _message(self, handset: str, to: str, body: str) -> Message:
        now = self.clock.now()
        return Message(
            new_id(now),
            ACCOUNT,
            "twilio",
            Direction.INBOUND,
            handset,
            to,
            body,
            Encoding.GSM7,
            1,
            None,
            None,
            now,
            Channel.SMS,
        )


async def opened(path: Path, **settings: Any) -> Office:
    store = CountedStore(path / "tidings.db", apart=False)
    await store.open()
    await store.put_account(Account(ACCOUNT, "", "token", 0))
    for address in (SENDER, SECOND, TOLL_FREE, CODE, NAME):
        await store.put_sender(Sender(address, ACCOUNT))
    office = Office(store, OptOutSettings(**settings))
    await office.opt_outs.start()
    return office


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = await opened(tmp_path)
    yield office
    await office.store.close()


def entry(scope: str = SENDER, recipient: str = RECIPIENT, at: int = 7) -> OptOut:
    return OptOut(ACCOUNT, scope, recipient, at, "", "api")


# --- a sender in no service
async def test_stop_and_start_are_heeded_by_pair(office: Office) -> None:
    assert await office.says("Stop ") == Heeded("STOP", "Stop", SENDER, ANSWERS["STOP"], advanced=False)
    assert await office.has()
    assert not await office.has(SECOND)
    assert not await office.has(recipient=OTHER)
    assert not await office.opt_outs.has("0b" * 16, SENDER, RECIPIENT)

    assert await office.says("start") == Heeded("START", "start", SENDER, ANSWERS["START"], advanced=False)
    assert not await office.has()
    assert await office.listed() == []


async def test_the_list_says_who_opted_out_when_and_how(office: Office) -> None:
    before = office.clock.now()
    await office.says(" Unsubscribe\n")
    (kept,) = await office.listed()
    assert before <= kept.at <= office.clock.now()
    assert kept == OptOut(ACCOUNT, SENDER, RECIPIENT, kept.at, "Unsubscribe", "keyword")


async def test_only_the_first_stop_is_answered(office: Office) -> None:
    assert await office.answer("STOP") == ANSWERS["STOP"]
    assert await office.answer("quit") == ""
    assert await office.answer("STOP", handset=OTHER) == ANSWERS["STOP"]
    await office.says("START")
    assert await office.answer("STOP") == ANSWERS["STOP"]


@pytest.mark.parametrize("word", ["START", "YES", "UNSTOP"])
async def test_a_word_to_come_back_from_somebody_who_never_left_is_a_message(office: Office, word: str) -> None:
    assert await office.read(word) is None
    await office.says("STOP")
    assert await office.read(word, handset=OTHER) is None
    heeded = await office.says(word)
    assert heeded is not None
    assert heeded.kind == "START"
    assert await office.read(word) is None


async def test_help_is_always_answered_and_changes_nothing(office: Office) -> None:
    for _ in range(2):
        assert await office.says("Help") == Heeded("HELP", "Help", SENDER, ANSWERS["HELP"], advanced=False)
    await office.says("STOP")
    assert await office.answer("info") == ANSWERS["HELP"]
    assert await office.has()


async def test_who_comes_back_to_one_sender_stays_away_from_the_other(office: Office) -> None:
    await office.says("STOP")
    await office.says("STOP", to=SECOND)
    await office.says("START", to=SECOND)
    assert (await office.has(), await office.has(SECOND)) == (True, False)


async def test_toll_free_numbers_are_come_back_to_by_start_and_unstop_only(office: Office) -> None:
    for word in ("START", "unstop"):
        assert await office.answer("STOP", to=TOLL_FREE) == ANSWERS["STOP"]
        assert await office.read("YES", to=TOLL_FREE) is None
        heeded = await office.says(word, to=TOLL_FREE)
        assert heeded is not None
        assert heeded.kind == "START"
        assert not await office.has(TOLL_FREE)


async def test_short_codes_without_a_service_and_names_heed_nothing(office: Office) -> None:
    for to in (CODE, NAME):
        for word in ("STOP", "HELP"):
            assert await office.read(word, to=to) is None


@pytest.mark.parametrize("handset", ["BANK", "54321", "+1", ""])
async def test_what_no_message_can_go_to_has_nothing_to_stop(office: Office, handset: str) -> None:
    assert await office.read("STOP", handset=handset) is None


async def test_without_answers_words_are_heeded_all_the_same(tmp_path: Path) -> None:
    office = await opened(tmp_path, answers=False, keywords=(SPANISH,))
    assert [await office.answer(word) for word in ("STOP", "ALTA", "HELP", "ALTO")] == ["", "", "", ""]
    assert await office.has()
    await office.store.close()


async def test_settings_have_keywords_for_senders_in_no_service(tmp_path: Path) -> None:
    office = await opened(tmp_path, keywords=(SPANISH,))
    assert await office.says("Alto") == Heeded("STOP", "Alto", SENDER, "No más.", advanced=True)
    heeded = await office.says("START")
    assert heeded is not None
    assert (heeded.answer, heeded.advanced) == (ANSWERS["START"], True)
    await office.service(SENDER)
    assert await office.read("ALTO") is None
    assert await office.read("STOP", to=CODE) is None
    await office.store.close()


def test_settings_refuse_keywords_that_say_two_things() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"it means STOP already - at `\$\.opt_out`"):
        msgspec.convert({"opt_out": {"keywords": [{"start": ["stop"]}]}}, Settings)


# --- a sender in a service
async def test_in_a_service_who_opts_out_of_one_sender_opts_out_of_all(office: Office) -> None:
    pool = await office.service(SENDER, CODE)
    assert await office.says("STOP", to=CODE) == Heeded("STOP", "STOP", pool, ANSWERS["STOP"], advanced=False)
    assert await office.has(SENDER)
    assert await office.has(SENDER, service=pool)
    assert await office.has(SECOND, service=pool)
    assert not await office.has(SECOND)
    assert [kept.scope for kept in await office.listed()] == [pool]

    await office.says("START", to=SENDER)
    assert not await office.has(CODE)


async def test_a_service_has_keywords_of_its_own(office: Office) -> None:
    pool = await office.service(SENDER, keywords=(SPANISH, Keywords("en", "GB", stop_answer="Cheerio.")))
    assert await office.says("alto") == Heeded("STOP", "alto", pool, "No más.", advanced=True)
    assert await office.answer("STOP", handset=BRITON) == "Cheerio."
    assert await office.answer("STOP", handset=OTHER) == ANSWERS["STOP"]
    assert await office.answer("ayuda") == ""
    assert await office.answer("ALTA") == ANSWERS["START"]
    assert await office.read("ALTO", to=SECOND) is None


async def test_changed_keywords_count_at_once(office: Office) -> None:
    pool = await office.service(SENDER)
    assert await office.read("ALTO") is None
    service = await office.services.find(ACCOUNT, pool)
    await office.store.put_resource(msgspec.structs.replace(service, keywords=(SPANISH,)))
    office.services.forget(ACCOUNT)
    assert await office.read("ALTO") is not None


async def test_a_toll_free_number_of_a_service_is_come_back_to_by_start_only(office: Office) -> None:
    await office.service(TOLL_FREE, keywords=(SPANISH,))
    assert await office.answer("ALTO", to=TOLL_FREE) == "No más."
    assert await office.read("ALTA", to=TOLL_FREE) is None
    assert await office.answer("START", to=TOLL_FREE) == ANSWERS["START"]


async def test_an_opt_out_from_before_the_sender_was_in_a_service_still_holds_and_can_be_lifted(
    office: Office,
) -> None:
    await office.says("STOP")
    pool = await office.service(SENDER, SECOND)
    assert await office.has()
    assert not await office.has(SECOND, service=pool)
    assert await office.answer("STOP", to=SECOND) == ANSWERS["STOP"]
    await office.says("START")
    assert await office.listed() == []


# --- what is written otherwise
async def test_entries_are_added_once_and_the_first_stays(office: Office) -> None:
    assert await office.opt_outs.add([entry(at=1), entry(at=2), entry(recipient=OTHER)]) == [
        entry(at=1),
        entry(recipient=OTHER),
    ]
    assert await office.opt_outs.add([entry(at=3)]) == []
    assert await office.listed() == [entry(at=1), entry(recipient=OTHER)]
    assert await office.has()


async def test_an_entry_is_lifted_by_hand_or_by_the_handset(office: Office) -> None:
    await office.opt_outs.add([entry(), entry(recipient=OTHER)])
    await office.opt_outs.lift([entry()])
    assert (await office.has(), await office.has(recipient=OTHER)) == (False, True)
    assert await office.answer("START", handset=OTHER) == ANSWERS["START"]
    assert await office.listed() == []
    assert await office.opt_outs.add([entry()]) == [entry()]
    assert await office.has()


async def test_many_entries_are_looked_up_without_keeping_others_waiting(office: Office) -> None:
    many = [entry(recipient=f"+1555{number:07}") for number in range(2000)]
    await office.opt_outs.add(many)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    waiting = asyncio.create_task(others())
    assert await office.opt_outs.add(many) == []
    waiting.cancel()
    assert turns >= 7
    assert len(await office.store.opt_outs(ACCOUNT, SENDER, None, 5000)) == 2000


# --- what is remembered
async def test_what_nobody_has_opted_out_of_costs_no_read(office: Office) -> None:
    pool = await office.service(SECOND)
    for sender, service in ((SENDER, None), (SECOND, None), (SECOND, pool)):
        assert not await office.has(sender, service=service)
    await office.says("STOP")
    office.store.asked = 0
    assert not await office.has(SECOND)
    assert not await office.has(SECOND, service=pool)
    assert not await office.opt_outs.has("0b" * 16, SENDER, RECIPIENT)
    await office.read("hello")
    assert office.store.asked == 0
    assert await office.has()
    assert office.store.asked == 1


async def test_the_list_outlives_a_restart(tmp_path: Path) -> None:
    before = await opened(tmp_path)
    pool = await before.service(SECOND)
    await before.says("STOP")
    await before.opt_outs.add([entry(pool, OTHER)])
    await before.store.close()

    after = await opened(tmp_path)

    assert await after.has()
    assert await after.has(SECOND, OTHER)
    assert not await after.has(SECOND)
    await after.store.close()


# --- the whole way
async def test_a_handset_that_says_stop_gets_one_answer_and_nothing_more(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await Handset(centre, ["STOP"]).brings(1)
    asked = await centre.submission()
    asked.accept("id1")
    assert (asked.body.source_addr, asked.body.destination_addr) == (SENDER[1:], RECIPIENT[1:])
    assert asked.body.short_message.decode() == ANSWERS["STOP"]
    await Handset(centre, ["Stop"], reference=1).brings(1)
    with pytest.raises(Problem) as caught:
        await site.send()
    assert caught.value.code == 21610
    assert len(await received(site)) == 2

    await Handset(centre, ["START"], reference=2).brings(1)
    asked = await centre.submission(2)
    assert asked.body.short_message.decode() == ANSWERS["START"]
    asked.accept("id2")
    await site.send()
    assert (await centre.submission(3)).body.short_message == b"hello"


async def test_what_waits_for_its_turn_when_stop_comes_is_not_sent(bench: "Bench") -> None:
    centre, site = await bench.pair(window=1)
    first, second, other = await site.send(), await site.send(), await site.send(OTHER)
    asked = await centre.submission()
    await Handset(centre, ["STOP"]).brings(1)
    asked.accept("id1")
    (await centre.submission(2)).accept("id2")
    (await centre.submission(3)).accept("id3")

    assert (await site.until(second, Status.FAILED)).error == 21610
    await site.until(first, Status.SENT)
    await site.until(other, Status.SENT)
    assert [one.body.short_message.decode() for one in centre.asked] == ["hello", "hello", ANSWERS["STOP"]]
    assert [one.to for one in centre.asked] == [RECIPIENT[1:], OTHER[1:], RECIPIENT[1:]]


async def test_a_message_of_a_service_is_taken_and_fails(bench: "Bench") -> None:
    centre, site = await bench.pair()
    now = site.gateway.clock.now()
    pool = Service(new_id(now), ACCOUNT, now, now, keywords=(SPANISH,))
    await site.store.put_resource(pool)
    for address in (SENDER, SECOND):
        await site.store.put_resource(Member(new_id(now), ACCOUNT, now, now, pool.id, address))
    site.gateway.services.forget(ACCOUNT)

    await Handset(centre, ["ALTO"]).brings(1)
    asked = await centre.submission()
    asked.accept("id1")

    assert asked.body.source_addr == SENDER[1:]
    ((message, _),) = await received(site)
    assert (message.service, message.extras["opt_out"]) == (pool.id, "STOP")
    made = await site.send(sender="", service=pool.id, deferred=True)
    standing = await site.until(made, Status.FAILED)
    assert standing.error == 21610
    with pytest.raises(Problem):
        await site.send(sender=SECOND)


async def test_an_answer_is_a_message_like_any_other(bench: "Bench") -> None:
    centre, site = await bench.pair()
    await Handset(centre, ["HELP"]).brings(1)
    (await centre.submission()).accept("id1")
    found = await site.store.messages(ACCOUNT, MessageFilter(recipient=RECIPIENT), 10)
    ((answer, _),) = found
    assert (answer.direction, answer.sender, answer.body) == (Direction.OUTBOUND_REPLY, SENDER, ANSWERS["HELP"])
    await site.until(answer.id, Status.SENT)
