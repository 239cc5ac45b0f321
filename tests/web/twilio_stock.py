"""One of everything that Twilio's APIs can be asked for, so that their tests find something."""

import asyncio
import re
from itertools import cycle
from typing import TYPE_CHECKING, Final

from tidings.arranged import Application, Member, Resource, Sender, Service
from tidings.gateway.ledger import Evidence
from tidings.ids import new_id
from tidings.lifecycle import Kind, Status
from tidings.model import Direction, Message, Standing
from tidings.store.base import Change
from tidings.text import Encoding

if TYPE_CHECKING:
    from tests.web.conftest import Site

ACCOUNT: Final = "0a" * 16
FROM, TO, NAME = "+15005550006", "+15551230000", "Acme"
PICTURE, HOOK = "https://a.example/cat.png", "https://app.example.com/sms"
SEND_AT: Final = "2026-12-01T00:00:00Z"
"""Some days after the site's now."""
SENT: Final = (Evidence(Kind.INTENT, {}, 1, carrier="main"), Evidence(Kind.ACCEPTED, {}, 1, carrier_id="1"))

NUMBER: Final = Sender("+13103380001", ACCOUNT, id="1a" * 16, claimed=True)
CODE: Final = Sender("12345", ACCOUNT, id="1b" * 16)
SPARE_NUMBER: Final = Sender("+13103380002", ACCOUNT, id="1c" * 16)
SPARE_CODE: Final = Sender("12346", ACCOUNT, id="1d" * 16)
OTHERS: Final = tuple(Sender(address, ACCOUNT) for address in ("+447911123457", "+18003380002", NAME))
"""Of other kinds."""
FREE: Final = ("+13103380003", "+13103380004", "+447911123456", "+18003380005")
"""Nobody's."""
SERVICE, EMPTY = Service("2a" * 16, ACCOUNT, 0, 0, "Orders"), Service("2b" * 16, ACCOUNT, 0, 0, "Returns")
APPLICATION: Final = Application("2c" * 16, ACCOUNT, 0, 0, "Desk")
MEMBERS: Final = {
    "PhoneNumbers": Member("3a" * 16, ACCOUNT, 0, 0, SERVICE.id, NUMBER.address),
    "ShortCodes": Member("3b" * 16, ACCOUNT, 0, 0, SERVICE.id, CODE.address),
    "AlphaSenders": Member("3c" * 16, ACCOUNT, 0, 0, SERVICE.id, NAME),
    "DestinationAlphaSenders": Member("3d" * 16, ACCOUNT, 0, 0, SERVICE.id, NAME, "FR"),
}
SIDS: Final = {
    "Accounts": f"AC{ACCOUNT}",
    "IncomingPhoneNumbers": f"PN{NUMBER.id}",
    "PhoneNumbers": f"PN{NUMBER.id}",
    "ShortCodes": f"SC{CODE.id}",
    "AlphaSenders": f"AI{MEMBERS['AlphaSenders'].id}",
    "DestinationAlphaSenders": f"AI{MEMBERS['DestinationAlphaSenders'].id}",
    "Services": f"MG{SERVICE.id}",
    "Applications": f"AP{APPLICATION.id}",
}
"""What is there for good, by the part of a path that it stands behind. Messages and alerts come and go."""

FORMS: Final = {
    "CreateMessage": {"To": TO, "From": FROM, "Body": "Hello"},
    "CreateSMSMessage": {"To": TO, "From": FROM, "Body": "Hello"},
    "UpdateMessage": {"Body": ""},
    "CreateMessageFeedback": {"Outcome": "confirmed"},
    "CreateIncomingPhoneNumber": {"PhoneNumber": FREE[0]},
    "CreateIncomingPhoneNumberLocal": {"PhoneNumber": FREE[1]},
    "CreateIncomingPhoneNumberMobile": {"PhoneNumber": FREE[2]},
    "CreateIncomingPhoneNumberTollFree": {"PhoneNumber": FREE[3]},
    "CreateService": {"FriendlyName": "Returns"},
    "CreatePhoneNumber of a service": {"PhoneNumberSid": f"PN{SPARE_NUMBER.id}"},
    "CreateShortCode of a service": {"ShortCodeSid": f"SC{SPARE_CODE.id}"},
    "CreateAlphaSender of a service": {"AlphaSender": NAME},
    "CreateDestinationAlphaSender of a service": {"AlphaSender": NAME, "IsoCountryCode": "FR"},
}
"""What has to be given, by the name of the operation."""


class Stock:
    """What is there, and the paths to it."""

    def __init__(self, site: "Site") -> None:
        self._site = site
        self._messages = cycle((self.ended, self.scheduled, self.inbound, self.queued))
        self._passing: dict[str, str] = {}
        self.renew()

    def renew(self) -> None:
        """See that there is one of everything again, and no more, whatever was deleted, changed or made."""
        store = self._site.store
        resources: tuple[Resource, ...] = (SERVICE, EMPTY, APPLICATION, *MEMBERS.values())

        async def put() -> None:
            # With a service goes what is in it.
            await asyncio.gather(*(store.drop_resource(ACCOUNT, one.id) for one in (SERVICE, EMPTY)))
            await asyncio.gather(*map(store.put_resource, resources), *map(store.drop_sender, FREE))
            senders = (NUMBER, CODE, SPARE_NUMBER, SPARE_CODE, *OTHERS)
            await asyncio.gather(*map(self._site.put_sender, senders))

        self._site.run(put())
        self._site.services.forget(ACCOUNT)

    def path(self, template: str, *, anew: bool = False) -> str:
        """A path that is there, from one of a description; `anew`: not to the message that it led to before."""
        if anew:
            self._passing.clear()
        # What is inside of something else says what that is: it comes first.
        sids = {collection: self._sid(collection) for collection in reversed(re.findall(r"(\w+)/{", template))}
        return re.sub(r"(\w+)/{\w+}", lambda found: f"{found[1]}/{sids[found[1]]}", template)

    def _sid(self, collection: str) -> str:
        if collection in SIDS:
            return SIDS[collection]
        if collection not in self._passing:
            self._passing |= self._new(collection)
        return self._passing[collection]

    def _new(self, collection: str) -> dict[str, str]:
        match collection:
            case "Media":
                message = self.ended()
                (medium,) = self._site.run(self._site.store.media(message[2:]))
                return {"Messages": message, "Media": f"ME{medium.id}"}
            case "Alerts":
                attempt = self._site.attempt(self._site.owe(new_id(self._site.clock.now())))
                return {"Alerts": f"NO{attempt.id}"}
        return {"Messages": next(self._messages)()}

    def queued(self) -> str:
        """The SID of a text that waits for its carrier."""
        made = self._site.client().messages.create(to=TO, from_=FROM, body="Hello", provide_feedback=True)
        return str(made.sid)

    def ended(self) -> str:
        """That of a message with a picture, which has been delivered and of which feedback may be given."""
        made = self._site.client().messages.create(
            to=TO, from_=FROM, body="Look!", media_url=[PICTURE], provide_feedback=True
        )
        self._site.say(made.sid, *SENT, Evidence(Kind.DELIVERED, {}, 1))
        return str(made.sid)

    def scheduled(self) -> str:
        made = self._site.client().messages.create(
            to=TO, messaging_service_sid=SIDS["Services"], body="Soon", schedule_type="fixed", send_at=SEND_AT
        )
        return str(made.sid)

    def inbound(self) -> str:
        return self.kept(Status.RECEIVED, Direction.INBOUND)

    def kept(self, status: Status, direction: Direction = Direction.OUTBOUND_API, error: int | None = None) -> str:
        """The SID of a message that stands there, whatever led to it."""
        now, ends = self._site.clock.now(), (TO, FROM) if direction is Direction.INBOUND else (FROM, TO)
        message = Message(
            new_id(now), ACCOUNT, "twilio", direction, *ends, "Hi", Encoding.GSM7, 1, None, None, now
        )
        change = Change()
        change.messages.append(message)
        change.standings.append(Standing(message.id, status, 1, now, error))
        self._site.commit(change)
        return f"SM{message.id}"
