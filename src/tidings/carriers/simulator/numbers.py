"""The numbers that always behave the same: what the simulated carrier does by a destination's last four digits.

`script` looks destinations up here; scenario files use the outcomes by name.
"""

from collections.abc import Mapping
from typing import Final

from tidings.carriers.simulator.behaviour import DELIVERED_AFTER, Answer, Behaviour, ReceiptPlan, Spelling


def _undelivered(err: str) -> Behaviour:
    return Behaviour(receipts=(ReceiptPlan(stat="UNDELIV", err=err),))


OUTCOMES: Final[Mapping[str, Behaviour]] = {
    "delivered": Behaviour(receipts=(ReceiptPlan(),)),
    "no_receipt": Behaviour(),
    "late_receipt": Behaviour(receipts=(ReceiptPlan(after=30.0),)),
    "hexadecimal": Behaviour(id=Spelling.HEX, receipts=(ReceiptPlan(id=Spelling.DECIMAL),)),
    "receipt_thrice": Behaviour(receipts=(ReceiptPlan(copies=3),)),
    # The err values are the simulator's own: smpp/profiles/simulator.toml says what they mean.
    "blocked": _undelivered("004"),
    "unknown_number": _undelivered("005"),
    "unreachable": _undelivered("003"),
    "contradicted": Behaviour(
        receipts=(ReceiptPlan(), ReceiptPlan(after=2 * DELIVERED_AFTER, stat="UNDELIV", err="003"))
    ),
    "receipt_first": Behaviour(delay=2 * DELIVERED_AFTER, receipts=(ReceiptPlan(after=0.0),)),
    "throttled": Behaviour(status=0x58, times=3, receipts=(ReceiptPlan(),)),
    "refused": Behaviour(status=0x65),
    "closed": Behaviour(answer=Answer.CLOSE),
}

NUMBERS: Final[Mapping[str, str]] = {
    "0200": "delivered",
    "0202": "no_receipt",
    "0204": "late_receipt",
    "0206": "hexadecimal",
    "0208": "receipt_thrice",
    "0403": "blocked",
    "0404": "unknown_number",
    "0408": "unreachable",
    "0409": "contradicted",
    "0425": "receipt_first",
    "0429": "throttled",
    "0500": "refused",
    "0503": "closed",
}
"""Last four digits of the destination -> outcome. All others are delivered."""
