"""Which senders of a pool suit a recipient: each rule by the case it decides."""

import pytest

from tidings.gateway.area_codes import area_code, local_codes
from tidings.gateway.choice import Candidate, destination, keeps, suited
from tidings.phone import SenderKind

NEW_YORK, NEW_YORK_TOO, CHICAGO = "+12125550101", "+16465550102", "+13125550103"
TORONTO, LONDON, FREE = "+14165550104", "+447700900105", "+18005550106"
SHORT, NAME, GERMAN_NAME = "72345", "ACME", "Beispiel"

SENDERS = {
    **{
        number: Candidate(number, SenderKind.NUMBER, country, number == FREE)
        for number, country in {
            NEW_YORK: "US",
            NEW_YORK_TOO: "US",
            CHICAGO: "US",
            TORONTO: "CA",
            LONDON: "GB",
            FREE: "US",
        }.items()
    },
    SHORT: Candidate(SHORT, SenderKind.SHORT_CODE, "US"),
    NAME: Candidate(NAME, SenderKind.ALPHANUMERIC, None),
    GERMAN_NAME: Candidate(GERMAN_NAME, SenderKind.ALPHANUMERIC, "DE"),
}

TO_NEW_YORK, TO_TORONTO, TO_LONDON = "+19175550200", "+16475550200", "+447700900200"
TO_BERLIN, TO_PARIS = "+4915112345678", "+33612345678"


@pytest.mark.parametrize(
    ("pool", "recipient", "best"),
    [
        pytest.param([NEW_YORK, NAME, SHORT], TO_NEW_YORK, [SHORT], id="a short code goes first"),
        pytest.param([NEW_YORK, SHORT], TO_LONDON, [NEW_YORK], id="a short code is good in its country only"),
        pytest.param([LONDON, NAME], TO_LONDON, [NAME], id="a name goes before a number"),
        pytest.param([NEW_YORK, NAME], TO_NEW_YORK, [NEW_YORK], id="no names to the United States"),
        pytest.param([TORONTO, NAME], TO_TORONTO, [TORONTO], id="no names to Canada"),
        pytest.param([NAME, GERMAN_NAME], TO_BERLIN, [GERMAN_NAME], id="a name for that country goes first"),
        pytest.param([NAME, GERMAN_NAME], TO_PARIS, [NAME], id="a name for another country is none"),
        pytest.param([NEW_YORK, LONDON, TORONTO], TO_LONDON, [LONDON], id="a number of the country"),
        pytest.param([NEW_YORK, CHICAGO, LONDON], TO_PARIS, [NEW_YORK, CHICAGO], id="otherwise a US number"),
        pytest.param([LONDON, TORONTO], TO_PARIS, [LONDON, TORONTO], id="otherwise any"),
        pytest.param([NEW_YORK, FREE], TO_NEW_YORK, [NEW_YORK, FREE], id="toll-free is as good as local"),
        pytest.param([TORONTO, FREE], TO_TORONTO, [FREE], id="Canada: toll-free before long codes"),
        pytest.param([FREE], TO_LONDON, [], id="toll-free reaches North America only"),
        pytest.param([NAME], TO_NEW_YORK, [], id="a pool that cannot reach the recipient"),
        pytest.param([], TO_NEW_YORK, [], id="an empty pool"),
    ],
)
def test_who_suits_a_recipient(pool: list[str], recipient: str, best: list[str]) -> None:
    to = destination(recipient, geomatch=False, media=False)
    assert [one.address for one in suited([SENDERS[address] for address in pool], to)] == best


def test_media_do_not_come_from_names() -> None:
    to = destination(TO_LONDON, geomatch=False, media=True)
    assert [one.address for one in suited([SENDERS[NAME], SENDERS[LONDON]], to)] == [LONDON]


@pytest.mark.parametrize(
    ("pool", "best"),
    [
        pytest.param([CHICAGO, NEW_YORK, NEW_YORK_TOO], [NEW_YORK_TOO], id="917 overlays 646"),
        pytest.param([CHICAGO, TORONTO], [CHICAGO], id="otherwise any of the country, however far"),
    ],
)
def test_area_codes_count_where_the_service_asks_for_it(pool: list[str], best: list[str]) -> None:
    to = destination("+16465550200", geomatch=True, media=False)
    found = [one.address for one in suited([SENDERS[address] for address in pool if address != NEW_YORK], to)]
    assert found == best


def test_an_overlay_counts_as_the_same_area() -> None:
    to = destination("+19175550200", geomatch=True, media=False)
    found = [one.address for one in suited([SENDERS[CHICAGO], SENDERS[NEW_YORK], SENDERS[NEW_YORK_TOO]], to)]
    assert found == [NEW_YORK, NEW_YORK_TOO]


def test_a_recipient_stays_with_the_sender_it_is_used_to() -> None:
    to = destination(TO_NEW_YORK, geomatch=False, media=False)
    best = suited([SENDERS[NEW_YORK], SENDERS[SHORT]], to)
    assert keeps(SENDERS[NEW_YORK], best, to)


def test_a_foreign_sender_gives_way_to_one_of_the_country() -> None:
    to = destination(TO_LONDON, geomatch=False, media=False)
    assert keeps(SENDERS[NEW_YORK], suited([SENDERS[NEW_YORK]], to), to)
    assert not keeps(SENDERS[NEW_YORK], suited([SENDERS[NEW_YORK], SENDERS[LONDON]], to), to)


def test_a_sender_that_cannot_reach_the_recipient_is_not_kept() -> None:
    to = destination(TO_LONDON, geomatch=False, media=False)
    assert not keeps(SENDERS[FREE], [], to)


def test_area_codes_are_those_of_north_america() -> None:
    assert area_code("+12125550101") == "212"
    assert area_code("+442071838750") is None
    assert local_codes("917") >= {"212", "718", "917"}
    assert local_codes("907") == {"907"}
    assert local_codes("672") == {"236", "250", "257", "604", "672", "778"}
