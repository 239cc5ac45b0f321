"""Callbacks to compose: a usual message, event and account, every way to be told of it, and what a server sees."""

from typing import Any, NamedTuple

from hypothesis import strategies as st

from tidings.callbacks.attempt import Telling
from tidings.callbacks.exchange import Request
from tidings.clock import SECOND
from tidings.lifecycle import Kind, Status
from tidings.model import Account, Attempt, CallbackOptions, Direction, Event, Message, SharedKey, Target
from tidings.text import Encoding

AT = 1_790_000_000 * SECOND + 123
URL = "https://app.example.com/cb?a=1"
TOKEN, PREVIOUS = "the auth token", "the one before"
SHARED = SharedKey("webhooks_sharedkey_01", "a shared secret")
SECRETS = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "QUJD" * 21 + "QQ==")
"""The shortest that may be, which the specification's own tests have, and the longest: 24 and 64 bytes."""

URLS = [
    URL,
    "http://127.0.0.1:8080/cb",
    "https://app.example.com:443/cb#rc=2&rt=500",
    "https://user:p%40ss@app.example.com/cb?a=1&b=%20x#ct=100",
    "https://app.example.com/cb?a=1&",
    "https://app.example.com/cb/?x=%2F&y=a+b",
    "https://[2001:db8::1]:8443/?z",
]
texts = st.text(st.characters(codec="utf-8"), max_size=12)


def telling(
    url: str | None = URL, *, target: Target = Target.MESSAGE, sender: str = "+15005550006", **options: Any
) -> Telling:
    """`options` are those of the account (`CallbackOptions`)."""
    message = Message(
        id="5a" * 16,
        account="0a" * 16,
        dialect="twilio",
        direction=Direction.OUTBOUND_API,
        sender=sender,
        recipient="+15551230000",
        body="hello, wörld",
        encoding=Encoding.GSM7,
        segments=1,
        callback_url=url,
        validity=None,
        created_at=AT - 5 * SECOND,
    )
    event = Event(
        message_id=message.id,
        number=4,
        account=message.account,
        at=AT,
        kind=Kind.UNDELIVERED,
        status=Status.UNDELIVERED,
        moved=True,
        applied=True,
        part=1,
        error=30003,
        detail={"done_date": "2609171211"},
    )
    if target is Target.ACCOUNT:
        options = {"url": url, "secrets": SECRETS, **options}
    callbacks = CallbackOptions(**options)
    account = Account(message.account, "", TOKEN, 0, previous_token=PREVIOUS, callbacks=callbacks)
    return Telling(message, event, target, account, AT + 60 * SECOND, 0)


twilio_tellings = st.builds(
    telling,
    st.sampled_from(URLS),
    sender=st.just("+15005550006") | texts,
    method=st.sampled_from(["POST", "GET"]),
    format=st.sampled_from(["form", "json"]),
    shared_keys=st.sampled_from([(), (SHARED, SharedKey("older", "older"))]),
    numbered=st.booleans(),
)
account_wide_tellings = st.builds(telling, st.sampled_from(URLS), target=st.just(Target.ACCOUNT), sender=texts)


class Seen(NamedTuple):
    """A request as a server puts it together from what is on the wire."""

    method: str
    url: str
    headers: dict[str, str]
    body: str


def seen(request: Request) -> Seen:
    line, host = request.url.wire.decode("ascii").removesuffix("\r\n").split("\r\n")
    target = line.removesuffix(" HTTP/1.1")
    headers = {name.decode(): value.decode() for name, value in request.headers}
    assert len(headers) == len(request.headers)
    return Seen(
        request.method,
        f"{request.url.scheme}://{host.removeprefix('Host: ')}{target}",
        headers,
        request.body.decode(),
    )


def kept(request: Request) -> Attempt:
    """The row that the attempt leaves."""
    return Attempt(
        id="1b" * 16,
        message_id="5a" * 16,
        number=4,
        target=Target.MESSAGE,
        account="0a" * 16,
        ordinal=1,
        at=AT,
        connected=None,
        first_byte=None,
        elapsed=1,
        method=request.method,
        url=request.url.text,
        headers="\n".join(f"{name.decode()}: {value.decode()}" for name, value in request.headers),
        body=request.body.decode(),
        response=None,
        response_headers="",
        response_body="",
        error=11200,
        detail="",
    )
