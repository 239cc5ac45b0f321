"""The conformance suite's seventh part: opt-outs, segments that wait for others, and what is brought twice."""

import asyncio
from itertools import product

import msgspec
import pytest

from tests.store.rows import (
    ACCOUNT,
    NASTY,
    NOON,
    OTHER,
    a_change,
    a_message,
    a_part,
    an_arrival,
    an_id,
    an_opt_out,
    created,
)
from tidings.model import OptOut
from tidings.store.base import Store

SCOPES = ("+1500", "+1501", "0c" * 16)
RECIPIENTS = ("+1555", "+1556", "+1557")


class InboundConformance:
    # --- opt-outs
    async def test_an_opt_out_holds_for_one_scope_and_recipient_until_it_is_lifted(self, store: Store) -> None:
        choice = an_opt_out("+1500", "+1555")
        await store.commit(a_change(opt_outs=[choice, choice]))
        assert await store.opted_out(ACCOUNT, "+1500", "+1555")
        assert not await store.opted_out(ACCOUNT, "+1501", "+1555")
        assert not await store.opted_out(ACCOUNT, "+1500", "+1556")
        assert not await store.opted_out(OTHER, "+1500", "+1555")
        # Whatever it was made by, and when.
        again = msgspec.structs.replace(choice, at=NOON + 1, keyword="", origin="api")
        await store.commit(a_change(opt_ins=[again]))
        assert not await store.opted_out(ACCOUNT, "+1500", "+1555")
        await store.commit(a_change(opt_ins=[choice]))

    async def test_scopes_that_somebody_opted_out_of_are_named_once_each(self, store: Store) -> None:
        service = an_id()
        choices = [an_opt_out(scope, recipient) for scope, recipient in product(("+1500", service), RECIPIENTS)]
        await store.commit(a_change(opt_outs=[*choices, an_opt_out(account=OTHER)]))
        expected = {(ACCOUNT, "+1500"), (ACCOUNT, service), (OTHER, "+1500")}
        found = [tuple(row) for row in await store.opted_out_scopes()]
        assert (set(found), len(found)) == (expected, 3)

    async def test_an_opt_out_is_listed_with_how_it_came_on_the_list_the_last_time(self, store: Store) -> None:
        first = an_opt_out(keyword=NASTY)
        other = an_opt_out("+1501", keyword="", origin="import")
        await store.commit(a_change(opt_outs=[first, other]))
        assert await store.opt_outs(ACCOUNT, None, None, 10) == [first, other]
        again = msgspec.structs.replace(first, at=NOON + 1, keyword="", origin="api")
        await store.commit(a_change(opt_outs=[again]))
        assert await store.opt_outs(ACCOUNT, None, None, 10) == [again, other]

    @pytest.mark.parametrize("scope", [None, *SCOPES, "+15", "", "zzz"])
    @pytest.mark.parametrize("recipient", [None, *RECIPIENTS, "+15", "", "zzz"])
    async def test_opt_outs_are_listed_by_scope_and_recipient_page_by_page(
        self, store: Store, scope: str | None, recipient: str | None
    ) -> None:
        choices = [an_opt_out(*pair) for pair in product(SCOPES, RECIPIENTS)]
        theirs = [an_opt_out(*pair, account=OTHER) for pair in product(SCOPES, RECIPIENTS)]
        await store.commit(a_change(opt_outs=[*reversed(choices), *theirs]))
        expected = [
            choice
            for choice in sorted(choices, key=_pair)
            if scope in (None, choice.scope) and recipient in (None, choice.recipient)
        ]
        assert await store.opt_outs(ACCOUNT, scope, recipient, 20) == expected
        paged: list[OptOut] = []
        after = None
        while page := await store.opt_outs(ACCOUNT, scope, recipient, 2, after):
            assert len(page) <= 2
            assert page[0] not in paged
            paged += page
            after = _pair(page[-1])
        assert paged == expected

    async def test_a_page_of_opt_outs_goes_on_behind_a_pair_that_is_no_longer(self, store: Store) -> None:
        choices = [an_opt_out("+1500", recipient) for recipient in ("+1", "+12", "+2")]
        await store.commit(a_change(opt_outs=choices))
        for scope in ("+1500", None):
            assert await store.opt_outs(ACCOUNT, scope, None, 10, ("+1500", "+1")) == choices[1:]
            assert await store.opt_outs(ACCOUNT, scope, None, 10, ("+1500", "+11")) == choices[1:]
            assert await store.opt_outs(ACCOUNT, scope, None, 10, ("+1499", "+9")) == choices
            assert await store.opt_outs(ACCOUNT, scope, None, 10, ("+1501", "")) == []

    async def test_of_opt_outs_and_opt_ins_of_one_batch_the_last_one_counts(self, store: Store) -> None:
        out, in_, thrice = (an_opt_out(recipient=recipient) for recipient in RECIPIENTS)
        await store.commit(a_change(opt_outs=[out]))
        await asyncio.gather(
            store.commit(a_change(opt_ins=[out], opt_outs=[in_])),
            store.commit(a_change(opt_outs=[thrice])),
            store.commit(a_change(opt_outs=[out])),
            store.commit(a_change(opt_ins=[in_, thrice])),
            store.commit(a_change(opt_outs=[msgspec.structs.replace(thrice, at=NOON + 1)])),
        )
        expected = [out, msgspec.structs.replace(thrice, at=NOON + 1)]
        assert await store.opt_outs(ACCOUNT, None, None, 10) == expected

    # --- segments of messages that come in
    async def test_parts_are_found_in_order_by_what_they_have_in_common(self, store: Store) -> None:
        parts = [
            a_part(number, received_at=NOON - number, text="0048" * number, raw=NASTY) for number in (1, 2, 3)
        ]
        await store.commit(a_change(parts=parts[::-1]))
        assert await store.inbound_parts(parts[0].group) == parts
        for other in (
            a_part(carrier="reserve"),
            a_part(source="+1556"),
            a_part(destination="+1501"),
            a_part(reference=8),
            a_part(parts=4),
        ):
            assert await store.inbound_parts(other.group) == []
            await store.commit(a_change(parts=[other]))
            assert await store.inbound_parts(other.group) == [other]
        assert await store.inbound_parts(parts[0].group) == parts

    async def test_a_part_that_is_there_already_stays_as_it_is(self, store: Store) -> None:
        first = a_part()
        await store.commit(a_change(parts=[first]))
        again = msgspec.structs.replace(first, received_at=NOON + 1, text="", raw="later")
        await store.commit(a_change(parts=[again, a_part(2), *(a_part(2, text="") for _ in range(9))]))
        assert await store.inbound_parts(first.group) == [first, a_part(2)]

    async def test_parts_that_are_joined_go_and_no_others(self, store: Store) -> None:
        parts = [a_part(number) for number in (1, 2)]
        other = a_part(reference=8)
        await store.commit(a_change(parts=[*parts, other]))
        message = a_message()
        change = created(message)
        change.joined.append(parts[0].group)
        await store.commit(change)
        assert await store.inbound_parts(parts[0].group) == []
        assert await store.inbound_parts(other.group) == [other]
        await store.commit(a_change(joined=[parts[0].group]))

    async def test_parts_joined_in_the_batch_that_brings_them_go_and_what_comes_later_stays(
        self, store: Store
    ) -> None:
        early, joined, late = (a_part(number) for number in (1, 2, 3))
        await store.commit(a_change(parts=[early]))
        await asyncio.gather(
            store.commit(a_change(parts=[joined])),
            store.commit(a_change(joined=[joined.group])),
            store.commit(a_change(parts=[late])),
        )
        assert await store.inbound_parts(joined.group) == [late]
        # With its own change it is joined as well.
        await store.commit(a_change(parts=[joined], joined=[joined.group]))
        assert await store.inbound_parts(joined.group) == []

    async def test_stale_are_the_groups_whose_first_part_has_waited_too_long(self, store: Store) -> None:
        assert await store.oldest_part() is None
        old = [a_part(1, received_at=NOON + 2), a_part(3, received_at=NOON + 1), a_part(2, received_at=NOON + 1)]
        older = [a_part(1, reference=8, received_at=NOON + 9), a_part(2, reference=8, received_at=NOON)]
        young = a_part(reference=9, received_at=NOON + 5)
        await store.commit(a_change(parts=[*old, *older, young]))
        assert await store.oldest_part() == NOON
        assert [tuple(row) for row in await store.stale_parts(NOON, 10)] == []
        expected = [older[0].group, old[0].group]
        assert [tuple(row) for row in await store.stale_parts(NOON + 1, 10)] == expected[:1]
        assert [tuple(row) for row in await store.stale_parts(NOON + 5, 10)] == expected
        assert [tuple(row) for row in await store.stale_parts(NOON + 5, 1)] == expected[:1]
        await store.commit(a_change(joined=expected))
        assert await store.oldest_part() == NOON + 5
        assert [tuple(row) for row in await store.stale_parts(NOON + 6, 10)] == [young.group]

    # --- what is brought twice
    async def test_an_arrival_is_known_again_by_its_carrier_and_digest(self, store: Store) -> None:
        arrival = an_arrival()
        await store.commit(a_change(arrivals=[arrival]))
        assert await store.arrival("main", arrival.digest) == arrival
        assert await store.arrival("reserve", arrival.digest) is None
        assert await store.arrival("main", "cd" * 32) is None

    async def test_the_last_word_on_an_arrival_wins(self, store: Store) -> None:
        arrival = an_arrival()
        later = [an_arrival(connection=f"main#{n}", at=NOON + n) for n in range(2, 12)]
        await asyncio.gather(
            store.commit(a_change(arrivals=[arrival])), store.commit(a_change(arrivals=later[:9]))
        )
        assert await store.arrival("main", arrival.digest) == later[8]
        await store.commit(a_change(arrivals=[later[9]]))
        assert await store.arrival("main", arrival.digest) == later[9]
        # Of those before it nothing is left to be dropped.
        assert await store.drop_arrivals(NOON + 11) == 0

    async def test_arrivals_are_forgotten_by_age(self, store: Store) -> None:
        arrivals = [an_arrival(f"{n:064x}", at=NOON + n) for n in range(3)]
        await store.commit(a_change(arrivals=arrivals))
        assert await store.drop_arrivals(NOON + 2) == 2
        kept = [await store.arrival("main", arrival.digest) for arrival in arrivals]
        assert kept == [None, None, arrivals[2]]
        assert await store.drop_arrivals(NOON + 2) == 0


def _pair(choice: OptOut) -> tuple[str, str]:
    return choice.scope, choice.recipient
