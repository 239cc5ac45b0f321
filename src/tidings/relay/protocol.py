"""The name of a session, which RELAY calls its protocol: it outlives the connection, and the gateway's process.

A client that comes back names the protocol it was given, and is told what is owed to it. SignalWire's JavaScript
client does so only while the second part of the name is the signature that it was authorized with; so that is made
of nothing that a restart would lose.
"""

import hmac
import re
from typing import Final

from tidings.ids import dashed, random_hex
from tidings.model import Account

_PROTOCOL: Final = re.compile(r"signalwire_([0-9a-f]{40})_[0-9a-f-]{36}_tidings")


def new_protocol(account: Account) -> str:
    return f"signalwire_{_signature(account, account.auth_token)}_{dashed(random_hex())}_tidings"


def signature_of(protocol: str) -> str:
    """What is between its first two underscores."""
    return protocol.split("_")[1]


def is_ours(protocol: str, account: Account, now: int) -> bool:
    """Whether `account` was given it, under its auth token or under the one before while that is good."""
    found = _PROTOCOL.fullmatch(protocol)
    if found is None:
        return False
    tokens = [account.auth_token]
    if account.previous_token is not None and account.overlapping(now):
        tokens.append(account.previous_token)
    return any(hmac.compare_digest(found[1], _signature(account, token)) for token in tokens)


def _signature(account: Account, token: str) -> str:
    return hmac.digest(token.encode(), f"relay:{account.id}".encode(), "sha256").hex()[:40]
