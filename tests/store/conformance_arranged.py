"""The conformance suite's sixth part: senders and how they are handled, and what applications arrange."""

import asyncio

import msgspec
import pytest

from tests.store.rows import ACCOUNT, NASTY, NOON, OTHER, a_change, an_id
from tidings.arranged import (
    Application,
    Handler,
    Handling,
    Member,
    Resource,
    Sender,
    Service,
    SwmlHandler,
)
from tidings.model import Account
from tidings.store.base import Store, StoreError

HANDLING = Handling(
    Handler.APPLICATION,
    "signalwire-compat",
    "https://app.example.com/in",
    "GET",
    "https://app.example.com/else",
    "GET",
    "0c" * 16,
    "office",
    NASTY,
    "0d" * 16,
    "relay_topic",
)


async def two_accounts(store: Store) -> None:
    for account in (ACCOUNT, OTHER):
        await store.put_account(Account(account, "", "token", NOON))


def a_service(account: str = ACCOUNT, at: int = NOON, name: str = NASTY) -> Service:
    return Service(an_id(), account, at, at, name, sticky=True)


def a_member(service: Service, address: str = "+1500") -> Member:
    return Member(an_id(), service.account, NOON, NOON, service.id, address)


class ArrangedConformance:
    # --- senders
    async def test_a_sender_comes_back_with_all_that_was_arranged_for_it(self, store: Store) -> None:
        await two_accounts(store)
        sender = Sender("+1500", ACCOUNT, 10, an_id(), NASTY, HANDLING, NOON, NOON + 1, claimed=True)
        await store.put_sender(sender)
        assert await store.sender("+1500") == sender
        assert await store.senders(ACCOUNT) == [sender]
        assert await store.sender_by_id(ACCOUNT, sender.id) == sender
        assert await store.sender_by_id(OTHER, sender.id) is None
        assert await store.sender_by_id(ACCOUNT, an_id()) is None
        # As a whole: what is not said is no longer.
        plain = Sender("+1500", ACCOUNT, id=sender.id)
        await store.put_sender(plain)
        assert await store.sender("+1500") == plain

    async def test_a_sender_without_an_id_is_given_one_and_keeps_it(self, store: Store) -> None:
        await two_accounts(store)
        ids = []
        for sender in (
            Sender("+1500", ACCOUNT),
            Sender("+1500", ACCOUNT, 5, name="again"),
            Sender("+1501", ACCOUNT),
            Sender("+1500", OTHER),
        ):
            await store.put_sender(sender)
            found = await store.sender(sender.address)
            assert found is not None
            assert len(found.id) == 32
            assert found == msgspec.structs.replace(sender, id=found.id)
            ids.append(found.id)
        assert ids[1] == ids[0]
        assert len(set(ids)) == 3

    async def test_two_senders_of_an_account_have_two_ids(self, store: Store) -> None:
        await two_accounts(store)
        id_ = an_id()
        await store.put_sender(Sender("+1500", ACCOUNT, id=id_))
        with pytest.raises(StoreError):
            await store.put_sender(Sender("+1501", ACCOUNT, id=id_))
        assert await store.sender("+1501") is None

    async def test_a_name_that_is_no_unicode_is_refused(self, store: Store) -> None:
        await two_accounts(store)
        with pytest.raises(StoreError):
            await store.put_sender(Sender("+1500", ACCOUNT, name="half a pair: \ud83d"))
        assert await store.sender("+1500") is None

    async def test_the_settings_of_a_sender_leave_alone_what_was_arranged_for_it(self, store: Store) -> None:
        await two_accounts(store)
        await store.configure_sender("+1500", ACCOUNT, 7, NOON)
        sender = await store.sender("+1500")
        assert sender is not None
        assert len(sender.id) == 32
        assert sender == Sender("+1500", ACCOUNT, 7, sender.id, created_at=NOON, updated_at=NOON)

        arranged = msgspec.structs.replace(
            sender, name="mine", handling=HANDLING, updated_at=NOON + 1, claimed=True
        )
        await store.put_sender(arranged)
        await store.configure_sender("+1500", ACCOUNT, 8, NOON + 2)
        # Named in the settings it is the operator's, whoever had it before.
        expected = msgspec.structs.replace(arranged, queue_limit=8, claimed=False)
        assert await store.sender("+1500") == expected

    async def test_a_sender_that_the_settings_give_to_another_account_begins_anew(self, store: Store) -> None:
        await two_accounts(store)
        first = Sender("+1500", ACCOUNT, 10, an_id(), "theirs", HANDLING, NOON, NOON)
        await store.put_sender(first)
        await store.configure_sender("+1500", OTHER, 0, NOON + 1)
        sender = await store.sender("+1500")
        assert sender is not None
        assert sender == Sender("+1500", OTHER, 0, sender.id, created_at=NOON + 1, updated_at=NOON + 1)
        assert sender.id != first.id
        assert await store.senders(ACCOUNT) == []

    async def test_settings_that_name_no_account_take_nothing_from_another(self, store: Store) -> None:
        await two_accounts(store)
        sender = Sender("+1500", ACCOUNT, 10, an_id(), "mine", HANDLING, NOON, NOON)
        await store.put_sender(sender)
        with pytest.raises(StoreError):
            await store.configure_sender("+1500", "0c" * 16, 0, NOON + 1)
        assert await store.sender("+1500") == sender

    async def test_a_sender_is_dropped_by_its_address(self, store: Store) -> None:
        await two_accounts(store)
        for address in ("+1500", "+1501"):
            await store.put_sender(Sender(address, ACCOUNT))
        await store.drop_sender("+1500")
        await store.drop_sender("+1999")
        assert [sender.address for sender in await store.senders(ACCOUNT)] == ["+1501"]

    # --- resources
    async def test_resources_of_every_kind_are_put_found_and_replaced(self, store: Store) -> None:
        await two_accounts(store)
        service = a_service()
        url = "https://app.example.com/in"
        resources: list[Resource] = [
            Application(an_id(), ACCOUNT, NOON, NOON, NASTY, url, "GET", url, "GET", url),
            service,
            a_member(service),
            SwmlHandler(an_id(), ACCOUNT, NOON, NOON, NASTY, url, "GET", url, "GET", NASTY),
        ]
        for resource in resources:
            await store.put_resource(resource)
        for resource in resources:
            kind = type(resource)
            assert await store.resource(kind, ACCOUNT, resource.id) == resource
            assert await store.resource(kind, OTHER, resource.id) is None
            assert await store.resources(kind, ACCOUNT) == [resource]
            assert await store.resources(kind, OTHER) == []
            changed = msgspec.structs.replace(resource, updated_at=NOON + 1)
            await store.put_resource(changed)
            assert await store.resources(kind, ACCOUNT) == [changed]
        assert await store.resource(Application, ACCOUNT, service.id) is None
        # That its service was put again took no member from it.
        assert len(await store.resources(Member, ACCOUNT, service.id)) == 1

    async def test_resources_are_listed_oldest_first_and_by_parent(self, store: Store) -> None:
        await two_accounts(store)
        services = [a_service(at=NOON + at) for at in (2, 0, 1)]
        for service in (*services, a_service(OTHER)):
            await store.put_resource(service)
        assert await store.resources(Service, ACCOUNT) == [services[1], services[2], services[0]]
        members = [a_member(service, f"+150{place}") for service in services[:2] for place in range(2)]
        for member in members:
            await store.put_resource(member)
        assert await store.resources(Member, ACCOUNT) == members
        assert await store.resources(Member, ACCOUNT, services[1].id) == members[2:]
        assert await store.resources(Member, ACCOUNT, services[2].id) == []
        assert await store.resources(Member, OTHER, services[1].id) == []

    async def test_a_resource_is_dropped_by_its_own_account_and_with_its_members(self, store: Store) -> None:
        await two_accounts(store)
        kept, dropped = a_service(), a_service()
        for service in (kept, dropped):
            await store.put_resource(service)
            await store.put_resource(a_member(service))
            await store.commit(a_change(stickies=[(service.id, "+1555", "+1500")]))
        assert not await store.drop_resource(OTHER, dropped.id)
        assert await store.resource(Service, ACCOUNT, dropped.id) == dropped
        assert await store.drop_resource(ACCOUNT, dropped.id)
        assert not await store.drop_resource(ACCOUNT, dropped.id)
        assert await store.resources(Service, ACCOUNT) == [kept]
        assert [member.parent for member in await store.resources(Member, ACCOUNT)] == [kept.id]
        assert await store.sticky(dropped.id, "+1555") is None
        assert await store.sticky(kept.id, "+1555") == "+1500"

    async def test_a_resource_of_no_account_and_a_member_of_nothing_are_refused(self, store: Store) -> None:
        with pytest.raises(StoreError):
            await store.put_resource(a_service())
        await two_accounts(store)
        with pytest.raises(StoreError):
            await store.put_resource(a_member(a_service()))
        assert await store.resources(Member, ACCOUNT) == []

    async def test_a_member_is_dropped_with_the_stickies_of_its_service_that_name_it(self, store: Store) -> None:
        await two_accounts(store)
        service, other = a_service(), a_service()
        member = a_member(service)
        for resource in (service, other, member, a_member(service, "+1501"), a_member(other)):
            await store.put_resource(resource)
        named = [(service.id, "+1", "+1500"), (service.id, "+2", "+1501"), (other.id, "+1", "+1500")]
        await store.commit(a_change(stickies=[*named, (service.id, "+3", "+1500")]))
        assert not await store.drop_resource(OTHER, member.id)
        assert await store.sticky(service.id, "+1") == "+1500"
        assert await store.drop_resource(ACCOUNT, member.id)
        assert [await store.sticky(service.id, recipient) for recipient in ("+1", "+2", "+3")] == [
            None,
            "+1501",
            None,
        ]
        assert await store.sticky(other.id, "+1") == "+1500"
        assert len(await store.resources(Member, ACCOUNT, service.id)) == 1

    # --- stickies
    async def test_a_recipient_hears_from_the_sender_that_was_kept_last(self, store: Store) -> None:
        service, other = an_id(), an_id()
        await asyncio.gather(
            store.commit(a_change(stickies=[(service, f"+1{n}", "+1500") for n in range(20)])),
            store.commit(a_change(stickies=[(service, "+13", "+1501"), (service, "+13", "+1502")])),
        )
        assert await store.sticky(service, "+13") == "+1502"
        assert await store.sticky(service, "+14") == "+1500"
        assert await store.sticky(other, "+13") is None
        await store.commit(a_change(stickies=[(service, "+13", "+1503")]))
        assert await store.sticky(service, "+13") == "+1503"
