"""How often what has happened at the simulated carrier: for tests that wait, and for whoever watches.

`server`, `submissions` and `outbox` count; `Smsc.until` waits for counts.
"""

import msgspec


class Counts(msgspec.Struct):
    """What has happened so far; `receivers` is how many binds receive now."""

    binds: int = 0
    receivers: int = 0
    submitted: int = 0
    """submit_sm read, whatever became of them."""
    accepted: int = 0
    refused: int = 0
    """Answered with an error."""
    delivered: int = 0
    """deliver_sm (or data_sm) written: receipts and handset messages, repetitions included."""
    acknowledged: int = 0
    """... and answered with status 0."""
    sent_again: int = 0
    dropped: int = 0
    """Receipts given up because too many wait."""
