"""What operators and applications arrange around messages: senders, who answers them, applications, services.

Plain data like `model`. There are few of these, they change rarely, and stores keep most of them as they are.
"""

from enum import StrEnum
from typing import Any, Literal

import msgspec


class Handler(StrEnum):
    """Who answers a message that comes in."""

    NONE = "none"
    MARKUP = "markup"
    """A URL whose answer is TwiML or cXML."""
    APPLICATION = "application"
    """An application's URL of that kind."""
    SWML = "swml"
    """A URL whose answer is SWML, or SWML as it stands here."""
    RELAY = "relay"
    """The RELAY sessions that listen to a context."""


Method = Literal["POST", "GET"]


class Handling(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What becomes of messages that come in to a sender."""

    handler: Handler = Handler.NONE
    dialect: str = "twilio"
    """Whose words are used: of the request, of its signature, and of the inbound message."""
    url: str | None = None
    method: Method = "POST"
    fallback_url: str | None = None
    """Asked where `url` has no good answer."""
    fallback_method: Method = "POST"
    application: str | None = None
    """Id of an `Application`."""
    context: str | None = None
    """RELAY's context or topic."""
    script: str | None = None
    """SWML (JSON or YAML), where there is no URL to ask for it."""
    resource: str | None = None
    """Id of the `Resource` that says all this, where one was assigned."""
    spelling: str | None = None
    """SignalWire's `message_handler` as it was set, where several mean the same (relay_topic, relay_context …)."""


class Sender(msgspec.Struct, frozen=True):
    """What messages of an account may be from: number, short code or alphanumeric id."""

    address: str
    account: str
    queue_limit: int = 0
    """Most segments that may wait for this sender; 0: no limit."""
    id: str = ""
    """32 hex digits; a store gives one to a sender that comes without."""
    name: str = ""
    handling: Handling = Handling()
    created_at: int = 0
    updated_at: int = 0
    claimed: bool = False
    """Whether an application took it through an API, and may give it back; otherwise it is the operator's."""


class Application(msgspec.Struct, frozen=True, tag="application"):
    """Handlers under a name, which numbers and messages can refer to."""

    id: str
    account: str
    created_at: int
    updated_at: int
    name: str = ""
    url: str | None = None
    method: Method = "POST"
    fallback_url: str | None = None
    fallback_method: Method = "POST"
    status_callback: str | None = None
    """Told of the status of its messages, outbound and inbound."""


class Keywords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The words by which handsets opt out, opt in and ask for help, and what they are answered; one language's.

    Words are whole messages, in any case. An answer that is "" is not sent; None is our own.
    """

    language: str = ""
    """BCP 47 tag; "" for a set that is no language's."""
    country: str = ""
    """ISO 3166 code: a set for recipients there, looked at before those that are for everybody."""
    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    help: tuple[str, ...] = ()
    stop_answer: str | None = None
    start_answer: str | None = None
    help_answer: str | None = None


class Service(msgspec.Struct, frozen=True, tag="service"):
    """A pool of senders. Twilio: messaging service; SignalWire: number group, which leaves most of this at its
    defaults."""

    id: str
    account: str
    created_at: int
    updated_at: int
    name: str = ""
    sticky: bool = False
    """Whether a recipient always hears from the same sender."""
    handling: Handling = Handling()
    """What becomes of messages to its senders, where these do not say so themselves (`defers`)."""
    defers: bool = True
    """Whether messages that come in are handled as the sender they came to says."""
    status_callback: str | None = None
    """Told of the status of its messages, where these name no URL of their own."""
    smart_encoding: bool = False
    area_code_geomatch: bool = False
    """Whether US and Canadian recipients hear from a number with their area code where there is one."""
    validity: int | None = None
    """Seconds that its messages may wait, where they do not say; None: as all others."""
    keywords: tuple[Keywords, ...] = ()
    """Beside the ones that everybody has (Twilio: Advanced Opt-Out)."""
    kept: dict[str, Any] = {}
    """What its API keeps of it for those who ask, and has no effect."""


class Member(msgspec.Struct, frozen=True, tag="member"):
    """A sender's place in a service. SignalWire: number group membership."""

    id: str
    account: str
    created_at: int
    updated_at: int
    parent: str
    """The service's id."""
    address: str
    country: str = ""
    """ISO 3166 code of the only country that an alphanumeric sender is for; "": any."""


class SwmlHandler(msgspec.Struct, frozen=True, tag="swml_handler"):
    """A document, or the URL of one, which numbers can be routed to (SignalWire: resources)."""

    id: str
    account: str
    created_at: int
    updated_at: int
    name: str = ""
    url: str | None = None
    method: Method = "POST"
    fallback_url: str | None = None
    fallback_method: Method = "POST"
    script: str | None = None


Resource = Application | Service | Member | SwmlHandler
"""What an application arranges through an API: few, and rarely changed."""
