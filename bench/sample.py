"""The message whose single steps are measured, and a callback that tells of it.

`micro` and `caller` use it.
"""

from typing import Final

from tidings import text
from tidings.callbacks.attempt import Telling
from tidings.clock import SystemClock
from tidings.dialects import twilio
from tidings.ids import new_id
from tidings.lifecycle import Kind, Status
from tidings.model import Account, Direction, Event, Message, Target

NOW: Final = SystemClock().now()
BODY: Final = "Your verification code is 123456. It is valid for ten minutes."
URL: Final = "http://127.0.0.1:8080/status"
ACCOUNT: Final = Account("be" * 16, "benchmark", "benchmark", NOW)


def message(callback_url: str = URL) -> Message:
    measure = text.measure(BODY)
    return Message(
        new_id(NOW),
        ACCOUNT.id,
        twilio.NAME,
        Direction.OUTBOUND_API,
        "+15552230000",
        "+15551239999",
        BODY,
        measure.encoding,
        measure.segments,
        callback_url,
        None,
        NOW,
    )


def event(of: Message, status: Status = Status.SENT) -> Event:
    detail = {"carrier": "main", "carrier_id": "1234567890"}
    return Event(of.id, 3, of.account, NOW, Kind.ACCEPTED, status, True, True, 1, None, detail)


def telling(of: Message) -> Telling:
    """The first round of telling that it was sent."""
    return Telling(of, event(of), Target.MESSAGE, ACCOUNT, NOW, 0)
