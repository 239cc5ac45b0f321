"""What SignalWire's three surfaces have in common: their names, their words for a status, their error codes.

Called by the dialects `signalwire_compat`, `signalwire_rest` and `signalwire_relay`, which are forms of the same
messages. Numbers are those of the compatibility API, which are mostly Twilio's; REST and RELAY have words.
"""

from typing import Final

from tidings.arranged import Method
from tidings.lifecycle import Status

COMPAT: Final = "signalwire_compat"
REST: Final = "signalwire_rest"
RELAY: Final = "signalwire_relay"

METHODS: Final[dict[str, Method]] = {"": "POST", "POST": "POST", "GET": "GET"}
"""Of the requests to a number's URLs; an empty one is as good as none."""

MAX_MEDIA: Final = 8
"""Media of one message (21623, `media_limit_exceeded`)."""

RESOURCE: Final[dict[Status, str]] = {
    Status.ACCEPTED: "queued",
    Status.SCHEDULED: "queued",
    Status.QUEUED: "queued",
    Status.SENDING: "initiated",
    Status.SENT: "sent",
    Status.DELIVERED: "delivered",
    Status.UNDELIVERED: "undelivered",
    Status.FAILED: "failed",
    Status.CANCELED: "failed",
    Status.READ: "read",
    Status.RECEIVING: "received",
    Status.RECEIVED: "received",
}
"""Where a message stands, as its resources say it. SignalWire neither schedules nor cancels: messages that were
made in another dialect are shown as the nearest that it knows."""

_WORDS: Final[dict[int, str]] = {
    11751: "media_exceeds_size_limit",
    12300: "unsupported_media_type",
    21211: "invalid_to_number",
    21610: "message_blocked_by_number",
    21612: "unrouteable_message",
    30001: "max_queued_messages_exceeded",
    30002: "insufficient_balance_to_send_message",
    30003: "unreachable_destination_handset",
    30004: "message_blocked_by_carrier",
    30005: "unknown_destination_handset",
    30006: "unknown_destination_handset",
    30007: "carrier_violation",
    30008: "unknown_error",
    30009: "message_validity_period_expired_at_carrier",
    30011: "mms_expired_rejected_failed_or_unsupported",
    30022: "campaign_throughput_exceeded",
    30027: "tmobile_daily_limit_reached",
    63011: "unable_to_deliver_to_carrier",
    63019: "media_download_failed",
}


def error_word(code: int) -> str:
    """What REST and RELAY call the error that a message ended with."""
    return _WORDS.get(code, "unknown_error")
