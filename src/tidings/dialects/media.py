"""Where the content of a medium is found: the one link that every dialect and webhook gives."""

from typing import Final

from tidings.model import Medium

PATH: Final = "/media/"


def link(base: str, medium: Medium) -> str:
    """`base`: where clients reach this gateway, without a slash behind it.

    Whoever knows the link may follow it, as with Twilio's and SignalWire's: its 128 random bits are the key.
    """
    return f"{base}{PATH}{medium.id}"
