"""The one catalogue of errors: what each code means in our words, its HTTP status, and who meets it.

The codes are Twilio's, because that is what applications already handle; the words are ours. Everything that
refuses a request raises a `Problem`, and each dialect writes it in its own form. What went wrong with a message
after it was taken is only a code on the message, and `words` says it. docs/errors.md is made from here.
"""

from enum import Flag, auto
from typing import Final

import msgspec

_SHOWN: Final = 200
"""Characters of a value that an error message repeats: what came in may be 64 KiB long."""


class Met(Flag):
    """Who meets a code: requests to the first three are answered with it."""

    TWILIO = auto()
    SIGNALWIRE = auto()
    """Any of its APIs, each with numbers or words of its own."""
    OURS = auto()
    MESSAGE = auto()
    """A message ends with it because of something that the gateway has found out."""
    CARRIER = auto()
    """A message ends with it because a carrier said so."""
    PROFILE = auto()
    """The same, where the operator's own profile of a carrier names it: no shipped one does."""
    CALLBACK = auto()
    """A callback or webhook failed with it, or it is what was wrong with the application's answer: an alert."""


_BOTH: Final = Met.TWILIO | Met.SIGNALWIRE
_ALL: Final = _BOTH | Met.OURS
_SENT: Final = _BOTH | Met.CALLBACK
"""Of a message that is asked for, be it in the answer to an inbound one."""


class Entry(msgspec.Struct, frozen=True):
    """One kind of error. `message` is a sentence without a full stop, so that a value can follow it."""

    code: int
    http: int
    """Status it is answered with; for a code that no API answers, what it would be."""
    message: str
    met: Met


class Section(msgspec.Struct, frozen=True):
    title: str
    entries: tuple[Entry, ...]


def _section(title: str, met: Met, *entries: tuple[int, int, str] | tuple[int, int, str, Met]) -> Section:
    """`met`: of the entries that say nothing else."""
    return Section(title, tuple(Entry(*entry) if len(entry) == 4 else Entry(*entry, met) for entry in entries))


SECTIONS: Final = (
    _section(
        "Requests of any kind",
        _ALL,
        (20001, 400, "The request could not be read"),
        (20002, 400, "'FriendlyName' must have 1 to 64 characters", Met.TWILIO),
        (20003, 401, "Authentication failed"),
        (20004, 405, "This method is not possible here"),
        (20005, 401, "This account is not active", _SENT | Met.OURS),
        (20006, 403, "This account may not do that"),
        (20007, 400, "'PageSize' must be a whole number from 1 to 1000", _BOTH),
        (20008, 403, "Test credentials cannot be used for this"),
        (20009, 409, "It is still on its way; this is possible once it has come to its end"),
        (20010, 400, "This is not possible for what it was asked of", _BOTH),
        (20404, 404, "There is nothing here", _SENT | Met.OURS),
        (20409, 409, "The idempotency key was used before, for a request with other parameters", _BOTH),
        (20410, 410, "This way to send is no longer served: use /Messages", Met.TWILIO),
        (20413, 413, "The request is too long"),
        (20422, 422, "A parameter is not valid", _SENT | Met.OURS),
        (20429, 429, "Too many requests are being answered at once; wait a little and send it again"),
        (20500, 500, "Something went wrong here; it has been logged", _SENT | Met.OURS),
        (20503, 503, "The gateway cannot take this request now; send it again later"),
        (21481, 400, "'PageToken' is not one that this list gave out", _BOTH),
    ),
    _section(
        "Messages",
        _SENT,
        (21211, 400, "'To' is not a phone number that a message can go to"),
        (21212, 400, "'From' is not a phone number, short code or sender name"),
        (21218, 400, "'ApplicationSid' names no application", _BOTH),
        (21408, 400, "This account may not send messages to that country", _SENT | Met.MESSAGE),
        (21602, 400, "'Body' is empty: a message needs a text or media"),
        (21603, 400, "'From' is missing: say whom the message is from", _BOTH),
        (21604, 400, "'To' is missing: say whom the message is for", _BOTH),
        (21605, 400, "'Body' is longer than the 160 characters that can be sent this way", Met.TWILIO),
        (21606, 400, "'From' is not a sender of this account", _SENT | Met.MESSAGE | Met.CARRIER),
        (21609, 400, "'StatusCallback' is not an http or https URL that can be called"),
        (21610, 400, "The recipient has opted out of messages from this sender", _SENT | Met.MESSAGE),
        (21611, 429, "Too many messages are waiting for this sender already"),
        (21612, 400, "No carrier takes messages from this sender to this recipient", _SENT | Met.MESSAGE),
        (21614, 400, "'To' is a number that cannot receive text messages"),
        (21617, 400, "'Body' is longer than 1600 characters (an emoji counts as two or more)"),
        (21619, 400, "A text, media or a content template is needed", Met.SIGNALWIRE),
        (21620, 400, "'MediaUrl' is not an http or https URL"),
        (21621, 400, "No carrier here takes media for this sender"),
        (21623, 400, "A message can have 10 media at most"),
        (21624, 400, "'ValidityPeriod' must be a whole number of seconds from 1 to 36000", _BOTH),
        (21627, 400, "'MaxPrice' is not a number", _BOTH),
        (21655, 400, "'ContentSid' names no content template", Met.TWILIO),
        (30029, 400, "The content retention asked for is not valid", Met.TWILIO),
        (30030, 400, "The address retention asked for is not valid", Met.TWILIO),
    ),
    _section(
        "Scheduled messages",
        Met.TWILIO,
        (30409, 409, "The message can no longer be canceled", Met.TWILIO | Met.CARRIER),
        (35111, 400, "'SendAt' is missing: a scheduled message needs a time"),
        (35114, 400, "'SendAt' is not a time within reach"),
        (35118, 400, "Only messages of a messaging service can be scheduled: 'MessagingServiceSid' is missing"),
        (35125, 429, "The account has as many messages scheduled as it may have"),
        (35126, 400, "'ScheduleType' can only be 'fixed'"),
    ),
    _section(
        "Messaging services",
        Met.TWILIO,
        (21701, 404, "'MessagingServiceSid' names a messaging service that does not exist", _BOTH | Met.MESSAGE),
        (21703, 400, "The messaging service has no sender that could send this", Met.SIGNALWIRE | Met.MESSAGE),
        (21704, 400, "The messaging service has no senders", Met.SIGNALWIRE | Met.MESSAGE),
        (21705, 400, "'MessagingServiceSid' is not MG and 32 hex digits", _BOTH),
        (21708, 400, "'AlphaSender' is missing: say which name is to be a sender"),
        (21709, 400, "'AlphaSender' is not a name that this account may send from"),
        (21710, 409, "The sender is in this messaging service already"),
        (21711, 400, "'From' is not among the senders of the messaging service", _BOTH),
        (21712, 409, "The sender is in another messaging service"),
        (21713, 400, "'Usecase' is not one of those that there are"),
        (21714, 400, "The messaging service has as many senders as it may have"),
        (21715, 400, "The sender cannot do what the messaging service needs"),
    ),
    _section(
        "Numbers and applications",
        _BOTH,
        (13221, 400, "The HTTP method is neither GET nor POST", Met.SIGNALWIRE),
        (21401, 400, "'PhoneNumber' is not a phone number in E.164: + and its digits", Met.SIGNALWIRE),
        (21402, 400, "The URL is not an http or https URL that can be called"),
        (21403, 400, "The HTTP method is neither GET nor POST", Met.TWILIO),
        (21406, 400, "'SmsFallbackUrl' needs an 'SmsUrl' that it can stand in for", Met.TWILIO),
        (21420, 400, "'SmsApplicationSid' names no application"),
        (21421, 400, "'PhoneNumber' does not say which number it is to be, in E.164: + and its digits"),
        (21422, 400, "The phone number is not to be had"),
        (21451, 400, "'AreaCode' is not an area code of North America: three digits", Met.TWILIO),
        (21452, 400, "No phone number is to be had in that area code", Met.TWILIO),
        (21457, 400, "'AreaCode' is of no use where a type is asked for: name the 'PhoneNumber'", Met.TWILIO),
        (21458, 400, "The phone number is not of that type", Met.TWILIO),
    ),
    _section(
        "SignalWire's own, where Twilio has none",
        Met.SIGNALWIRE,
        (10000, 400, "A message that is still on its way cannot be redacted"),
        (50509, 400, "'Body' must be there and be empty: a message's text can be taken away, not changed"),
        (54453, 400, "'PageToken' is missing: a page beyond the first is found by its token"),
    ),
    _section(
        "What the gateway says of a message it has taken",
        Met.MESSAGE,
        (11751, 400, "The media of a message are longer than 5 MB together"),
        (30001, 429, "Too many messages were waiting for this sender", Met.MESSAGE | Met.CARRIER),
        (30002, 403, "The account was suspended after it asked for this message"),
        (30009, 400, "A segment of an incoming message never arrived"),
        (30010, 400, "Sending would have cost more than the price limit"),
        (30036, 400, "The message's validity ended while it waited to be sent"),
        (30410, 504, "The carrier gave no answer; the message was not sent again, so as not to send it twice"),
        (63019, 400, "A medium could not be fetched from its URL"),
    ),
    _section(
        "What carriers say of a message",
        Met.CARRIER,
        (30003, 400, "The handset could not be reached: it is off or out of coverage"),
        (30004, 400, "The recipient or its operator blocks this message"),
        (30005, 400, "The number does not exist or is no longer in use"),
        (30006, 400, "The number is a landline, or no operator that can be reached serves it"),
        (30007, 400, "The carrier filtered the message"),
        (
            30008,
            400,
            "The carrier did not deliver the message and gave no usable reason",
            Met.MESSAGE | Met.CARRIER,
        ),
        (30012, 400, "The validity period is too short for the carrier"),
        (30017, 503, "The carrier is congested"),
        (30019, 413, "The message is larger than the carrier takes"),
        (30023, 429, "The sender's daily limit at the carrier is used up"),
        (30024, 400, "The carrier does not know this number as a sender"),
    ),
    _section(
        "What only a profile of your own lets a carrier say",
        Met.PROFILE,
        (30011, 400, "Media messages are not possible for this number or region"),
        (30013, 400, "The validity period is too long for the carrier"),
        (30014, 400, "The attributes of the recipient are not valid"),
        (30015, 400, "The kind of channel is not supported"),
        (30016, 400, "Sender and recipient are on different channels"),
        (30018, 400, "The destination asks for senders to be registered before they send"),
        (30022, 429, "The sender's registered rate was exceeded at the carrier"),
        (30025, 429, "Half of the sender's daily limit at the carrier is used up"),
        (30026, 429, "Most of the sender's daily limit at the carrier is used up"),
        (30027, 429, "The sender's daily limit at the carrier is used up"),
        (30032, 400, "The toll-free sender has not been verified"),
        (30033, 400, "The sender's registered campaign is suspended"),
        (30034, 400, "The sender is a number that is not registered for this traffic"),
        (30035, 400, "The sender is a number that is still being set up"),
        (30037, 403, "The account may not send messages"),
        (30038, 400, "A message with a one-time password was filtered"),
        (30039, 400, "The message was dropped because two parties were answering each other in a loop"),
        (30040, 400, "The destination only takes registered senders"),
        (30041, 400, "The sender's registration does not cover this destination"),
        (30042, 400, "The sender name is too general, or not one this account may use"),
        (30043, 400, "International traffic was sent over a route for domestic traffic"),
    ),
    _section(
        "Callbacks and webhooks",
        Met.CALLBACK,
        (11100, 400, "The URL is not one that can be requested"),
        (11200, 502, "The application could not be asked, or answered with an error status"),
        (11201, 502, "The application did not accept a TCP connection in time"),
        (11202, 502, "The application refused the TCP connection"),
        (11203, 502, "The application did not answer in time"),
        (11205, 502, "No connection to the application could be made"),
        (11206, 502, "The application broke the HTTP protocol"),
        (11210, 502, "The host name of the application has no address"),
        (11215, 502, "The application redirects in a loop or too often"),
        (11217, 502, "The application answered with an error status (4xx or 5xx)"),
        (11220, 502, "The TLS handshake with the application failed"),
        (11235, 502, "The application's certificate was made for another host name"),
        (11236, 502, "The application's certificate has expired"),
        (11237, 502, "The application's certificate is not signed by an authority that is trusted here"),
        (11251, 502, "The connection to the application broke down over a protocol error"),
        (11750, 502, "The application's answer is longer than 64 kB"),
        (12100, 502, "The application's answer is not well-formed XML"),
        (12101, 502, "The application's answer says that it is of a version that is not known"),
        (12102, 502, "The root element of the application's answer is not Response"),
        (12200, 502, "The application's answer holds a verb or attribute that is not known"),
        (
            12300,
            502,
            "The application's answer, or a medium, has a content type that cannot be used",
            Met.MESSAGE | Met.CALLBACK,
        ),
        (14103, 502, "A reply in the application's answer has neither text nor media, or a text that is too long"),
        (14104, 502, "The method of a verb in the application's answer is neither GET nor POST"),
        (14106, 502, "The application's answers lead on and on: what one inbound message may ask for is used up"),
        (14107, 429, "Too many replies in a row go to the same number: two machines may be answering each other"),
        (14109, 502, "The application's answers hold more replies than one inbound message may have"),
        (14110, 502, "The application's answer holds a verb that is of no use in a reply to a message"),
    ),
)

CATALOGUE: Final = {entry.code: entry for section in SECTIONS for entry in section.entries}
"""By code."""


class Problem(Exception):
    """A request is refused: `Problem(21211, value="abc")`.

    What was wrong is shown behind the catalogue's words: the `name` of the parameter where they do not say it, its
    `value`, and the `reason`. Any other detail is kept for whoever answers.
    """

    def __init__(self, code: int, **details: object) -> None:
        entry = CATALOGUE[code]
        self.code = code
        self.http = entry.http
        self.details: dict[str, object] = details
        wrong = [_shown(details[key]) for key in ("name", "value", "reason") if key in details]
        self.message = ": ".join([entry.message, *wrong])
        super().__init__(f"{code}: {self.message}")


def words(code: int) -> str:
    """What `code` means where it stands on a message or a callback.

    Any code is answered, as a carrier's profile may map to one that is not in the catalogue.
    """
    entry = CATALOGUE.get(code)
    return entry.message if entry else f"The message ended with error {code}"


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
