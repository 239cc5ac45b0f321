"""Every error that requests are answered with, produced over HTTP: by a plain client, and by Twilio's own where it
has an operation for that."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
from msgspec.structs import replace
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client
from websockets.sync.client import connect

from tests.web.scene import (
    CLOSED,
    ELSEWHERE,
    FORM,
    FREE,
    FROM,
    FULL,
    MESSAGES,
    MINE,
    SERVICE,
    TEST,
    THEIRS,
    TO,
    WAIT,
    Scene,
)
from tidings.dialects.signalwire_compat_errors import error_json
from tidings.errors import CATALOGUE, Met, Problem
from tidings.gateway.schedule import ScheduleSettings
from tidings.ids import dashed
from tidings.model import Account
from tidings.store.base import StoreError
from tidings.web.wire import MAX_BODY

if TYPE_CHECKING:
    from tests.web.conftest import Server, Site

HOOK = "https://app.example.com/sms"

# {account} and {subject} are filled in: who asks, and what was made for it to be asked about.
ROOT = "/2010-04-01/Accounts/{account}"
MESSAGE, FEEDBACK = f"{ROOT}/Messages/{{subject}}.json", f"{ROOT}/Messages/{{subject}}/Feedback.json"
OLD_MESSAGES = f"{ROOT}/SMS/Messages.json"
NUMBERS, LOCAL, TOLL_FREE = (f"{ROOT}/IncomingPhoneNumbers{below}.json" for below in ("", "/Local", "/TollFree"))
APPLICATIONS = f"{ROOT}/Applications.json"
SERVICES = "/v1/Services"
ALPHA_SENDERS, PHONE_NUMBERS = (f"{SERVICES}/{{subject}}/{pool}" for pool in ("AlphaSenders", "PhoneNumbers"))
NO_MESSAGE, NO_SERVICE, NO_APPLICATION = (prefix + "0" * 32 for prefix in ("SM", "MG", "AP"))


@pytest.fixture
def schedule() -> ScheduleSettings:
    """What the site allows: one scheduled message."""
    return ScheduleSettings(limit=1)


@pytest.fixture
def scene(site: "Site", web_server: "Server") -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(site, web_server, stack)


def nothing(scene: Scene) -> str:
    return ""


class Asked(NamedTuple):
    """A request that is refused."""

    method: str
    path: str
    params: Mapping[str, Any] = {}
    so: Callable[[Scene], str] = nothing
    """Makes it so that it is. Returns what {subject} stands for."""
    by: Account = MINE
    headers: Mapping[str, str] = {}


SERVED = {"To": TO, "Body": "Hello", "MessagingServiceSid": "{subject}"}
SCHEDULED = SERVED | {"ScheduleType": "fixed"}


def create(so: Callable[[Scene], str] = nothing, **params: Any) -> Asked:
    return Asked("POST", MESSAGES, FORM | params, so)


def served(*pool: str, **params: Any) -> Asked:
    return Asked("POST", MESSAGES, SERVED | params, lambda scene: scene.service(*pool))


def scheduled(**params: Any) -> Asked:
    return Asked("POST", MESSAGES, SCHEDULED | params, Scene.service)


TWILIO: dict[int, Asked] = {
    # --- requests of any kind
    20001: Asked("GET", f"{MESSAGES}?To=%zz"),
    20002: Asked("POST", SERVICES, {"FriendlyName": "x" * 65}),
    20003: Asked("GET", MESSAGES, by=replace(MINE, auth_token="wrong")),
    20004: Asked("PUT", MESSAGES),
    20005: Asked("POST", MESSAGES, FORM, by=CLOSED),
    20006: Asked(
        "POST",
        MESSAGES,
        FORM,
        lambda scene: scene.account(replace(THEIRS, dialects=("signalwire_compat",))),
        by=THEIRS,
    ),
    20007: Asked("GET", f"{MESSAGES}?PageSize=1001"),
    20008: Asked("POST", SERVICES, {"FriendlyName": "Orders"}, by=TEST),
    20009: Asked("POST", MESSAGE, {"Body": ""}, Scene.message),
    20010: Asked("POST", FEEDBACK, {"Outcome": "confirmed"}, Scene.message),
    20404: Asked("GET", MESSAGE, so=lambda scene: NO_MESSAGE),
    20409: Asked(
        "POST",
        MESSAGES,
        FORM,
        lambda scene: scene.message("used", Body="Another text"),
        headers={"Idempotency-Key": "used"},
    ),
    20410: Asked("POST", OLD_MESSAGES, FORM),
    20413: create(Body="x" * MAX_BODY),
    20422: create(SmartEncoded="perhaps"),
    20429: create(Scene.crowd),
    20500: create(lambda scene: scene.failing(RuntimeError("a fault of ours"))),
    20503: create(lambda scene: scene.failing(StoreError("the disk is full"))),
    21481: Asked("GET", f"{MESSAGES}?PageToken=next"),
    # --- messages
    21211: create(To="123"),
    21212: create(From="?"),
    21218: create(ApplicationSid=NO_APPLICATION),
    21408: create(lambda scene: scene.account(replace(MINE, countries=("CA", "GB")))),
    21602: create(Body=""),
    21603: create(From=""),
    21604: create(To=""),
    21605: Asked("POST", OLD_MESSAGES, FORM | {"Body": "x" * 161}, Scene.with_old_messages),
    21606: create(From=ELSEWHERE),
    21609: create(StatusCallback="nowhere"),
    21610: create(Scene.opted_out),
    21611: create(lambda scene: scene.message(From=FULL), From=FULL),
    21612: create(To="+4915112345678"),
    21614: create(To="+442071838750"),
    21617: create(Body="x" * 1601),
    21620: create(MediaUrl=["cat.png"]),
    21621: create(MediaUrl=["https://a.example/cat.png"], To="+447911123456"),
    21623: create(MediaUrl=["https://a.example/cat.png"] * 11),
    21624: create(ValidityPeriod="36001"),
    21627: create(MaxPrice="cheap"),
    21655: create(ContentSid="HX" + "0" * 32),
    30029: create(ContentRetention="forever"),
    30030: create(AddressRetention="forever"),
    # --- scheduled messages
    30409: Asked("POST", MESSAGE, {"Status": "canceled"}, Scene.message),
    35111: scheduled(),
    35114: scheduled(SendAt="2026-01-01T00:00:00Z"),
    35118: create(ScheduleType="fixed", SendAt="2026-12-01T00:00:00Z"),
    35125: Asked("POST", MESSAGES, SCHEDULED | {"SendAt": "2026-12-01T00:00:00Z"}, Scene.with_one_scheduled),
    35126: scheduled(ScheduleType="soon"),
    # --- messaging services
    21701: create(MessagingServiceSid=NO_SERVICE),
    21705: create(MessagingServiceSid="MG1"),
    21708: Asked("POST", ALPHA_SENDERS, {"AlphaSender": ""}, Scene.service),
    21709: Asked("POST", ALPHA_SENDERS, {"AlphaSender": "much too long a name"}, Scene.service),
    21710: Asked("POST", ALPHA_SENDERS, {"AlphaSender": "Shop"}, lambda scene: scene.service("Shop")),
    21711: served(From=FROM),
    21712: Asked("POST", PHONE_NUMBERS, {"PhoneNumberSid": "{sender}"}, Scene.with_sender_elsewhere),
    21713: Asked("POST", SERVICES, {"FriendlyName": "Orders", "Usecase": "any"}),
    21714: Asked("POST", ALPHA_SENDERS, {"AlphaSender": "Shop"}, lambda scene: scene.service("Other")),
    21715: Asked("POST", PHONE_NUMBERS, {"PhoneNumberSid": "{sender}"}, lambda scene: scene.with_sender("12345")),
    # --- numbers and applications
    21402: Asked("POST", APPLICATIONS, {"FriendlyName": "Desk", "SmsUrl": "nowhere"}),
    21403: Asked("POST", APPLICATIONS, {"FriendlyName": "Desk", "SmsUrl": HOOK, "SmsMethod": "PUT"}),
    21406: Asked("POST", APPLICATIONS, {"FriendlyName": "Desk", "SmsFallbackUrl": HOOK}),
    21420: Asked("POST", NUMBERS, {"PhoneNumber": FREE, "SmsApplicationSid": NO_APPLICATION}),
    21421: Asked("POST", NUMBERS, {"PhoneNumber": "one"}),
    21422: Asked("POST", NUMBERS, {"PhoneNumber": ELSEWHERE}),
    21451: Asked("POST", NUMBERS, {"AreaCode": "12"}),
    21452: Asked("POST", NUMBERS, {"AreaCode": "212"}, by=TEST),
    21457: Asked("POST", LOCAL, {"AreaCode": "310"}),
    21458: Asked("POST", TOLL_FREE, {"PhoneNumber": FREE}),
}
"""Code → what Twilio's API answers with it."""


# --- as a plain client sees it
def filled(scene: Scene, asked: Asked) -> tuple[str, str, dict[str, Any]]:
    """The subject, the path, and the parameters of a request."""
    subject = asked.so(scene)
    own = {"account": f"AC{asked.by.id}", "project": dashed(asked.by.id), "subject": subject}
    names = scene.names | own
    params = {
        name: value.format(**names) if isinstance(value, str) else value for name, value in asked.params.items()
    }
    return subject, asked.path.format(**names), params


def answered(scene: Scene, asked: Asked, user: str) -> httpx.Response:
    _, path, params = filled(scene, asked)
    with httpx.Client(base_url=scene.site.url, auth=(user, asked.by.auth_token), timeout=WAIT) as http:
        return http.request(asked.method, path, data=params or None, headers=asked.headers)


@pytest.mark.parametrize("code", TWILIO)
def test_twilios_api_answers_with_it(scene: Scene, code: int) -> None:
    asked, entry = TWILIO[code], CATALOGUE[code]
    answer = answered(scene, asked, f"AC{asked.by.id}")
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (entry.http, entry.http, code)
    assert re.match(rf"{re.escape(entry.message)}(: .|$)", body["message"])
    assert body["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert answer.headers["Content-Type"] == "application/json"
    assert body.keys() - {"detail"} == {"code", "message", "more_info", "status"}


# --- as Twilio's client does
OPERATIONS: dict[tuple[str, str], Callable[[Any, str], Any]] = {
    ("POST", MESSAGES): lambda client, _: client.messages.create,
    ("POST", MESSAGE): lambda client, sid: client.messages(sid).update,
    ("GET", MESSAGE): lambda client, sid: client.messages(sid).fetch,
    ("POST", FEEDBACK): lambda client, sid: client.messages(sid).feedback.create,
    ("POST", NUMBERS): lambda client, _: client.incoming_phone_numbers.create,
    ("POST", TOLL_FREE): lambda client, _: client.incoming_phone_numbers.toll_free.create,
    ("POST", APPLICATIONS): lambda client, _: client.applications.create,
    ("POST", SERVICES): lambda client, _: client.messaging.v1.services.create,
    ("POST", ALPHA_SENDERS): lambda client, sid: client.messaging.v1.services(sid).alpha_senders.create,
    ("POST", PHONE_NUMBERS): lambda client, sid: client.messaging.v1.services(sid).phone_numbers.create,
}
WITH_CLIENT = [
    code for code, asked in TWILIO.items() if (asked.method, asked.path) in OPERATIONS and not asked.headers
]


def pythonic(name: str) -> str:
    """How Twilio's client calls a parameter."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return "from_" if snake == "from" else snake


@pytest.mark.parametrize("code", WITH_CLIENT)
def test_twilios_client_raises_it(scene: Scene, code: int) -> None:
    asked, entry = TWILIO[code], CATALOGUE[code]
    subject, _, params = filled(scene, asked)
    client = Client(f"AC{asked.by.id}", asked.by.auth_token)
    client.api.base_url = client.messaging.base_url = scene.site.url
    operation = OPERATIONS[asked.method, asked.path](client, subject)
    with pytest.raises(TwilioRestException) as raised:
        operation(**{pythonic(name): value for name, value in params.items()})
    assert (raised.value.code, raised.value.status, raised.value.method) == (code, entry.http, asked.method)
    assert entry.message in raised.value.msg


# --- what Twilio's API tells by the status of the message
AFTERWARDS: dict[int, Asked] = {
    21610: Asked("POST", MESSAGES, SERVED, lambda scene: scene.service(FROM) + scene.opted_out(SERVICE)),
    21703: served("Shop"),
    21704: served(),
    30001: Asked("POST", MESSAGES, SERVED, lambda scene: scene.message(From=FULL) and scene.service(FULL)),
    30010: create(MaxPrice="0.001"),
}
"""Code → the message that is taken, and fails with it."""


@pytest.mark.parametrize("code", AFTERWARDS)
def test_a_message_that_was_taken_fails_with_it(scene: Scene, code: int) -> None:
    scene.sender("Shop")
    made = answered(scene, AFTERWARDS[code], f"AC{MINE.id}").json()
    now = scene.site.client().messages(made["sid"]).fetch()
    assert (now.status, now.error_code, now.error_message) == ("failed", code, CATALOGUE[code].message)


# --- what only SignalWire's APIs answer
COMPAT = "/api/laml/2010-04-01/Accounts/{project}"
SIGNALWIRE: dict[int, Asked] = {
    10000: Asked(
        "POST", f"{COMPAT}/Messages/{{subject}}", {"Body": ""}, lambda scene: dashed(scene.message()[2:])
    ),
    13221: Asked("POST", f"{COMPAT}/Applications", {"FriendlyName": "Desk", "SmsMethod": "PUT"}),
    21401: Asked("POST", f"{COMPAT}/IncomingPhoneNumbers", {"PhoneNumber": "one"}),
    21703: Asked("POST", f"{COMPAT}/Messages", SERVED, lambda scene: dashed(scene.service("Shop")[2:])),
    21704: Asked("POST", f"{COMPAT}/Messages", SERVED, lambda scene: dashed(scene.service()[2:])),
    50509: Asked("POST", f"{COMPAT}/Messages/{dashed('0' * 32)}", {"Body": "Another text"}),
    54453: Asked("GET", f"{COMPAT}/Messages?Page=1"),
}
"""Code → what the Compatibility API answers with SignalWire's number for it."""
RELAY: dict[int, dict[str, str]] = {21619: {"to_number": TO, "from_number": FROM}}
"""Code → what `messaging.send` is refused with its words for."""


@pytest.mark.parametrize("code", SIGNALWIRE)
def test_signalwires_compatibility_api_answers_with_its_number_for_it(scene: Scene, code: int) -> None:
    scene.sender("Shop")
    answer = answered(scene, SIGNALWIRE[code], dashed(MINE.id))
    body, expected = answer.json(), error_json(Problem(code))
    assert answer.status_code == expected["status"]
    assert (body["code"], body["status"]) == (expected["code"], expected["status"])
    assert body["message"].startswith(expected["message"])


@pytest.mark.parametrize("code", RELAY)
def test_relay_answers_with_its_words(scene: Scene, code: int) -> None:
    authentication = {"project": dashed(MINE.id), "token": MINE.auth_token}
    with connect(f"{scene.site.url.replace('http', 'ws')}/api/relay/ws", open_timeout=WAIT) as relay:
        for method, params in (
            ("signalwire.connect", {"authentication": authentication}),
            ("messaging.send", RELAY[code]),
        ):
            relay.send(json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": params}))
        answers = (json.loads(relay.recv(WAIT)) for _ in range(100))
        refused = next(answer["result"] for answer in answers if answer.get("id") == "messaging.send")
    assert (refused["code"], refused["message"]) == ("422", CATALOGUE[code].message)


# --- all of them
def test_every_error_of_twilios_api_is_produced() -> None:
    assert TWILIO.keys() == {code for code, entry in CATALOGUE.items() if Met.TWILIO in entry.met}


def test_every_error_of_the_other_apis_is_produced() -> None:
    others = {code for code, entry in CATALOGUE.items() if (Met.SIGNALWIRE | Met.OURS) & entry.met}
    assert SIGNALWIRE.keys() | RELAY.keys() == others - TWILIO.keys()
