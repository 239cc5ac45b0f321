"""What a test account is answered: every request is looked at, and nothing is kept, sent or told to anybody.

Called by the gateway instead of `submit`. Pure. What depends on how things stand, as whether a sender's queue is
full, a test account chooses itself by magic numbers.
Source: Twilio "Test credentials".
"""

from typing import Final

from tidings import phone, text
from tidings.errors import Problem
from tidings.gateway.submit import Submitted, check_body
from tidings.ids import new_id
from tidings.lifecycle import Status
from tidings.model import Account, Channel, Message, Order, Standing

GOOD: Final = "+15005550006"
"""The only number that a test account sends from."""
SENDERS: Final = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}
RECIPIENTS: Final = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
"""Whom to name, and what that is refused with."""


def rehearse(account: Account, order: Order, now: int) -> Submitted:
    """The message that `order` would make, as it would begin.

    It is from `GOOD` or refused: a test account has no senders, and no services either. Raises Problem as
    `Submitter.submit` does, but for what only carriers and routes can say.
    """
    if order.service is not None:
        raise Problem(21701)
    recipient, sender = _recipient(account, order.recipient), _sender(order.sender)
    if sender == recipient:
        raise Problem(21211, value=order.recipient)
    body = text.smart_encode(order.body) if order.smart_encoded else order.body
    check_body(body, order)
    measure = text.measure(body)
    channel = Channel.MMS if order.media or order.as_mms else Channel.SMS
    message = Message(
        id=new_id(now),
        account=account.id,
        dialect=order.dialect,
        direction=order.direction,
        sender=sender,
        recipient=recipient,
        body=body,
        encoding=measure.encoding,
        segments=measure.segments if channel is Channel.SMS else 1,
        callback_url=None,
        validity=order.validity,
        created_at=now,
        channel=channel,
        media=len(order.media),
    )
    return Submitted(message, Standing(message.id, Status.QUEUED, 1, now), repeated=False)


def _recipient(account: Account, given: str) -> str:
    recipient = phone.e164(given)
    if recipient is None:
        raise Problem(21211, value=given)
    if recipient in RECIPIENTS:
        raise Problem(RECIPIENTS[recipient], value=given)
    if account.countries is not None and phone.country(recipient) not in account.countries:
        raise Problem(21408, value=recipient)
    if phone.is_landline(recipient):
        raise Problem(21614, value=recipient)
    return recipient


def _sender(given: str) -> str:
    sender = phone.e164(given)
    if sender != GOOD:
        raise Problem(SENDERS.get(sender or "", 21606), value=given)
    return sender
