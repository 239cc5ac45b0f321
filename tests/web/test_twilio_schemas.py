"""What Twilio's APIs answer, held against Twilio's own descriptions of them.

The clients of `messaging_client` hold every answer against these on its way. Here every operation is asked for
once, and messages are shown wherever they can stand.
"""

from typing import TYPE_CHECKING

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.web.messaging_client import client
from tests.web.twilio_description import API, OPERATIONS, Operation, check
from tests.web.twilio_stock import FORMS, SEND_AT, SIDS, TO, Stock
from tidings.errors import CATALOGUE
from tidings.lifecycle import Status
from tidings.model import Direction

if TYPE_CHECKING:
    from tests.web.conftest import Site


def in_turn(operation: Operation) -> tuple[object, ...]:
    """Nothing goes before it was looked at, nor before what is in it; numbers leave their services first."""
    turn = ("GET", "POST", "DELETE").index(operation.method)
    return turn > 0, -operation.path.groups, turn, operation.document is API


def test_every_operation_that_is_described_answers_as_described(site: "Site") -> None:
    stock, http = Stock(site), site.http()
    for operation in sorted(OPERATIONS, key=in_turn):
        path = stock.path(operation.template)
        answer = http.request(operation.method, path, data=FORMS.get(operation.name))
        assert check(operation.method, path, answer.status_code, answer.text) is operation, answer.text
        if operation.name.startswith("List"):
            (records,) = (value for value in answer.json().values() if isinstance(value, list))
            assert records
        if operation.name.startswith("Create") and "Feedback" not in operation.name:
            assert answer.status_code == 201


# --- messages, by Twilio's client
@pytest.mark.parametrize("direction", Direction)
def test_a_message_is_as_described_wherever_it_stands(site: "Site", direction: Direction) -> None:
    stock, messages = Stock(site), client(site).messages
    bad = {Status.FAILED: 30036, Status.UNDELIVERED: 30003}
    sids = {stock.kept(status, direction, bad.get(status)): status for status in Status}
    for sid, status in sids.items():
        shown = messages(sid).fetch()
        assert (shown.status, shown.direction, shown.error_code) == (status, direction, bad.get(status))
    assert {message.sid: message.status for message in messages.list()} == sids


def test_what_a_service_sends_is_as_described_before_and_after_it_chose(site: "Site") -> None:
    stock, messages = Stock(site), client(site).messages
    of_service = {"to": TO, "messaging_service_sid": SIDS["Services"], "body": "Hello"}
    made = messages.create(**of_service)
    assert (made.status, made.from_, made.num_segments) == ("accepted", None, "0")
    assert (made.fetch().status, made.messaging_service_sid) == ("queued", SIDS["Services"])
    assert made.fetch().from_
    scheduled = messages.create(**of_service, schedule_type="fixed", send_at=SEND_AT)
    assert (scheduled.status, scheduled.fetch().from_) == ("scheduled", None)
    canceled = scheduled.update(status="canceled")
    assert (canceled.status, canceled.date_sent, canceled.fetch().status) == ("canceled", None, "canceled")
    assert [message.sid for message in messages.list(page_size=1)] == [canceled.sid, made.sid]
    with pytest.raises(TwilioRestException, match=CATALOGUE[30409].message):
        messages(stock.ended()).update(status="canceled")


def test_what_is_taken_away_from_a_message_leaves_it_as_described(site: "Site") -> None:
    message = client(site).messages(Stock(site).ended())
    (medium,) = message.media.list(page_size=1)
    assert (medium.fetch().sid, medium.parent_sid) == (medium.sid, message.fetch().sid)
    given = message.feedback.create(outcome="unconfirmed")
    assert (given.message_sid, given.outcome) == (message.fetch().sid, "unconfirmed")
    assert (message.update(body="").body, message.fetch().body) == ("", "")
    assert medium.delete()
    assert message.media.list() == []
    assert message.delete()
    with pytest.raises(TwilioRestException, match=CATALOGUE[20404].message):
        message.fetch()
