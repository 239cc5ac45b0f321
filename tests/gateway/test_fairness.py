"""Whose messages a carrier gets when it cannot take them all: counted at a real message centre, with no clock."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.gateway.application import ACCOUNT
from tests.gateway.centre import Centre
from tests.gateway.waiting import fill, waits
from tidings.arranged import Sender
from tidings.clock import SECOND, SystemClock
from tidings.model import Account, Order
from tidings.store.base import Kept

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench, Site

OTHER: Final = Account("0b" * 16, "other", "token of the other", 0)
THIRD: Final = Account("0c" * 16, "third", "token of the third", 0)
OTHERS: Final = "+15005550100"
THIRDS: Final = "+15005550200"
RECIPIENT: Final = "+15551239999"
WINDOW: Final = 10


async def site_with(bench: "Bench", path: Path, waiting: Sequence[Kept], **options: Any) -> "tuple[Centre, Site]":
    """A centre that answers nothing yet, and a gateway on a store where these wait."""
    await fill(path, [OTHER, THIRD], [Sender(OTHERS, OTHER.id), Sender(THIRDS, THIRD.id)], waiting)
    centre = await bench.centre()
    site = await bench.site(bench.smpp(centre, window=WINDOW), path=path, **options)
    await centre.submission(WINDOW)
    return centre, site


async def send(site: "Site", account: Account, sender: str, recipient: str = RECIPIENT) -> None:
    await site.gateway.submit(account, Order("twilio", sender, recipient, "hello"))


def place(centre: Centre, recipient: str = RECIPIENT) -> int:
    """How many were submitted before the message to `recipient`."""
    return [asked.to for asked in centre.asked].index(recipient[1:])


async def test_one_message_beside_five_thousand_of_another_account_is_among_the_next(
    bench: "Bench", tmp_path: Path
) -> None:
    long_ago = SystemClock().now() - 3600 * SECOND
    centre, site = await site_with(
        bench, tmp_path / "filled.db", [waits(long_ago + number, ACCOUNT) for number in range(5000)]
    )
    await send(site, OTHER, OTHERS)
    centre.answer_all()
    await centre.until(lambda: any(asked.to == RECIPIENT[1:] for asked in centre.asked), "the other's message")
    assert place(centre) < 3 * WINDOW


async def test_another_sender_of_the_same_account_does_not_wait_for_its_backlog(
    bench: "Bench", tmp_path: Path
) -> None:
    long_ago = SystemClock().now() - 3600 * SECOND
    centre, site = await site_with(
        bench, tmp_path / "filled.db", [waits(long_ago + number, ACCOUNT) for number in range(2000)]
    )
    await site.send(RECIPIENT, sender="+15005550007", callback_url=None)
    centre.answer_all()
    await centre.until(lambda: any(asked.to == RECIPIENT[1:] for asked in centre.asked), "the other sender's")
    assert place(centre) < 3 * WINDOW


async def test_accounts_that_all_have_a_backlog_get_the_same_share_whatever_number_of_senders_they_have(
    bench: "Bench", tmp_path: Path
) -> None:
    long_ago = SystemClock().now() - 3600 * SECOND
    crowd = [waits(long_ago + number, ACCOUNT, f"{20000 + number % 40}") for number in range(1200)]
    two = [waits(long_ago + number, OTHER.id, OTHERS) for number in range(400)]
    three = [waits(long_ago + number, THIRD.id, THIRDS) for number in range(400)]
    centre, _ = await site_with(bench, tmp_path / "filled.db", [*crowd, *two, *three])
    centre.answer_all()
    await centre.submission(600)
    owner = {OTHERS[1:]: OTHER.id, THIRDS[1:]: THIRD.id}
    shares = Counter(owner.get(asked.body.source_addr, ACCOUNT) for asked in centre.asked[:300])
    assert all(90 <= share <= 110 for share in shares.values()), shares
    # Senders of one account take turns once all of them have been read.
    senders = Counter(asked.body.source_addr for asked in centre.asked[300:600])
    assert all(1 <= senders[f"{20000 + number}"] <= 4 for number in range(40)), senders


async def test_long_messages_of_one_account_leave_room_for_another_s_short_one(
    bench: "Bench", tmp_path: Path
) -> None:
    long_ago = SystemClock().now() - 3600 * SECOND
    body = "a long text " * 40
    backlog = [waits(long_ago + number, ACCOUNT, body=body, segments=4) for number in range(500)]
    centre, site = await site_with(bench, tmp_path / "filled.db", backlog)
    await send(site, OTHER, OTHERS)
    centre.answer_all()
    await centre.until(lambda: any(asked.to == RECIPIENT[1:] for asked in centre.asked), "the other's message")
    assert place(centre) < 6 * WINDOW


async def test_what_waits_for_a_carrier_that_comes_back_is_shared_out_as_well(
    bench: "Bench", tmp_path: Path
) -> None:
    long_ago = SystemClock().now() - 3600 * SECOND
    backlog = [waits(long_ago + number, ACCOUNT) for number in range(1000)]
    path = tmp_path / "filled.db"
    await fill(path, [OTHER], [Sender(OTHERS, OTHER.id)], backlog)
    centre = await bench.centre()
    await centre.close()
    site = await bench.site(bench.smpp(centre, window=WINDOW), path=path, failover_after=0.05)
    for number in range(5):
        await send(site, OTHER, OTHERS, f"+1555123{number:04}")
    centre.answer_all()
    await centre.listen()
    await centre.until(
        lambda: sum(asked.body.source_addr == OTHERS[1:] for asked in centre.asked) == 5, "the other's"
    )
    sources = [asked.body.source_addr for asked in centre.asked]
    assert max(place for place, source in enumerate(sources) if source == OTHERS[1:]) < 4 * WINDOW
    assert [asked.to for asked in centre.asked if asked.body.source_addr == OTHERS[1:]] == [
        f"1555123{number:04}" for number in range(5)
    ]
