"""Whatever Twilio's APIs are asked, right or wrong: the answer has their form, JSON or XML, and is never a 5xx."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from zlib import crc32

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig

from tests.web.twilio_description import API, OPERATIONS, check, check_refusal
from tests.web.twilio_stock import EMPTY, FORMS, FROM, HOOK, NAME, PICTURE, SEND_AT, SIDS, TO, Stock
from tidings.dialects import twilio, twilio_lists, twilio_orders, twilio_sms
from tidings.errors import Problem
from tidings.web.app import build

if TYPE_CHECKING:
    from schemathesis import Case

    from tests.web.conftest import Server, Site

EXAMPLES = 10
"""An operation: enough to see that nothing gave way. More were looked at when this was written."""
ROOT = "/2010-04-01/Accounts/{AccountSid}"
LIKELY: dict[str, Any] = {
    "AccountSid": SIDS["Accounts"],
    "ApplicationSid": SIDS["Applications"],
    "SmsApplicationSid": SIDS["Applications"],
    "MessagingServiceSid": SIDS["Services"],
    "ServiceSid": f"MG{EMPTY.id}",
    "AlphaSender": NAME,
    "To": TO,
    "From": FROM,
    "Body": "Fish & <chips>\x0b]]>",
    "MediaUrl": [PICTURE],
    "StatusCallback": HOOK,
    "SmsUrl": HOOK,
    "InboundRequestUrl": HOOK,
    "SendAt": SEND_AT,
    "ValidityPeriod": 600,
    "FriendlyName": "Fish & <chips>",
    "Usecase": "poll",
    "AreaCode": "310",
    "IsoCountryCode": "DE",
}
"""Parameters of which few values are good, and one that is."""
OF_SERVICE = {"To": TO, "MessagingServiceSid": SIDS["Services"], "Body": "Soon"}
SCHEDULED = OF_SERVICE | {"ScheduleType": "fixed", "SendAt": SEND_AT}


def askable() -> dict[str, Any]:
    """What can be asked, as one OpenAPI document; in it nothing is said of the answers."""
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        item = paths.setdefault(operation.template, dict(operation.document["paths"][operation.template]))
        answers = {"default": {"description": "held against the description as it came"}}
        item[operation.method.lower()] = operation.told | {"operationId": operation.name, "responses": answers}
    # Nobody describes the deprecated resource any more: it is asked for whatever its successor has.
    for path, names in (
        (f"{ROOT}/Messages.json", {"post": "CreateSMSMessage", "get": "ListSMSMessage"}),
        (f"{ROOT}/Messages/{{Sid}}.json", {"get": "FetchSMSMessage"}),
    ):
        old = {method: paths[path][method] | {"operationId": name} for method, name in names.items()}
        paths[path.replace("/Messages", "/SMS/Messages")] = {"parameters": paths[path]["parameters"], **old}
    return {**API, "paths": paths}


SCHEMA = schemathesis.openapi.from_dict(
    # What is right or wrong about single parameters has tests of its own: here they come together.
    askable(),
    config=SchemathesisConfig.from_dict({"phases": {"coverage": {"enabled": False}}}),
)


def likely(given: dict[str, Any]) -> dict[str, Any]:
    """The same, but that more of it is good."""
    return {
        name: LIKELY[name] if name in LIKELY and _chance(2, name, value) else value
        for name, value in given.items()
    }


def enough(operation: str, given: dict[str, Any]) -> dict[str, Any]:
    """A form that would do, but for some of the parameters that were given."""
    form = FORMS.get(operation, {})
    if operation == "CreateMessage" and _chance(2, given):
        form = SCHEDULED if _chance(2, given, operation) else OF_SERVICE
    return form | {name: value for name, value in given.items() if _chance(4, name, value)}


def _chance(one_in: int, *of: object) -> bool:
    """The same for the same, as an example must be if it is to be tried again."""
    return crc32(repr((one_in, of)).encode()) % one_in == 0


class Asker:
    """Asks as the account that has what is in stock, and looks at every answer."""

    def __init__(self, site: "Site", session: requests.Session) -> None:
        self.stock = Stock(site)
        self._url = site.url
        self._session = session

    def in_json(self, case: "Case[Any]", path: str = "") -> requests.Response:
        answer = self._ask(case, path)
        assert not answer.content or answer.headers["Content-Type"] == "application/json"
        if not (answer.ok and "/SMS/Messages" in case.path):
            check(case.method, answer.url, answer.status_code, answer.text)
        return answer

    def in_xml(self, case: "Case[Any]", path: str) -> requests.Response:
        answer = self._ask(case, path.removesuffix(".json"))
        if not answer.content:
            assert answer.status_code == 204
            return answer
        assert answer.headers["Content-Type"] == "application/xml"
        root = ElementTree.fromstring(answer.content)
        (element,) = root
        assert (root.tag, element.tag == "RestException") == ("TwilioResponse", not answer.ok)
        if not answer.ok:
            told = {child.tag: child.text or "" for child in element}
            numbers = {"code": int(told.pop("Code")), "status": int(told.pop("Status"))}
            words = {{"MoreInfo": "more_info"}.get(tag, tag.lower()): text for tag, text in told.items()}
            check_refusal(answer.status_code, numbers | words)
        return answer

    def _ask(self, case: "Case[Any]", path: str) -> requests.Response:
        asked = case.as_transport_kwargs(base_url=self._url)
        if path:
            asked["url"] = self._url + path
        answer = self._session.request(**asked, allow_redirects=False)
        assert answer.status_code < 500, answer.text
        if answer.ok and case.method != "GET":
            self.stock.renew()
        return answer


@pytest.fixture
def asker(site: "Site", web_server: "Server") -> Iterator[Asker]:
    site.sms_messages = True
    web_server.app = build(site)
    with requests.Session() as session:
        session.auth = (SIDS["Accounts"], "token of the first")
        yield Asker(site, session)


@SCHEMA.parametrize()
# The site lasts for all examples, and is meant to.
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_request_finds_a_5xx_or_an_answer_that_is_not_twilios(case: "Case[Any]", asker: Asker) -> None:
    case.path_parameters, case.query = likely(case.path_parameters), likely(case.query)
    if isinstance(case.body, dict):
        case.body = likely(case.body)
    asker.in_json(case)
    if isinstance(case.body, dict):
        case.body = enough(case.operation.definition.raw["operationId"], case.body)
    path = asker.stock.path(case.path, anew=True)
    answer = asker.in_json(case, path)
    if path.endswith(".json"):
        same = asker.in_xml(case, path)
        # What was done cannot always be done again.
        assert answer.ok or same.status_code == answer.status_code


# --- parameters, before anything is done with them
NAMES = (
    *("To", "From", "Body", "MessagingServiceSid", "MediaUrl", "StatusCallback", "ApplicationSid", "MaxPrice"),
    *("ProvideFeedback", "ValidityPeriod", "ForceDelivery", "ContentRetention", "AddressRetention", "RiskCheck"),
    *("SmartEncoded", "ShortenUrls", "ScheduleType", "SendAt", "SendAsMms", "ContentSid", "MessageIntent", "Tags"),
    *("Status", "Outcome", "PageSize", "Page", "PageToken", "DateSent", "DateSent<", "DateSent>", "DateCreated"),
)
FORMATS = (
    r"(SM|MG|AP|HX|PASM|PAME)[0-9a-fA-F]{32}",
    r"-?\d{0,30}\.?\d{0,30}",
    r"https?://[!-~]{0,40}",
    r"\d{4}-[01]\d-[0-3]\d([T ][0-2]\d:[0-6]\d:[0-6]\d(\.\d{1,7})?(Z|[+-]\d\d:?\d\d)?)?",
    r"([A-Z][a-z]{2}, )?[0-3]?\d [A-Z][a-z]{2} \d{4} [0-2]\d:[0-6]\d:[0-6]\d ([A-Z]{1,4}|[+-]\d{4})",
    r"[01]\d/[0-3]\d/\d{4} [0-2]\d:[0-6]\d:[0-6]\d ([A-Z]{1,4}|[+-]\d{4})",
)
WORDS = ("", "true", "False", "fixed", "canceled", "confirmed", "discard", "obfuscate", "enable", "otp")
VALUES = st.one_of(
    st.text(max_size=20), st.sampled_from(WORDS), *(st.from_regex(rf"\A(?:{each})\Z") for each in FORMATS)
)
BEFORE = st.sampled_from(({}, FORMS["CreateMessage"], OF_SERVICE, SCHEDULED))
PARAMETERS = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=20), VALUES), max_size=6)


@pytest.mark.parametrize(
    "parse",
    [
        *(
            twilio_orders.parse_create,
            twilio_orders.parse_update,
            twilio_orders.parse_feedback,
            twilio_sms.parse_create,
        ),
        *(twilio_lists.parse_list, twilio_lists.parse_media_list),
    ],
)
@given(before=BEFORE, params=PARAMETERS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_parameters_are_understood_or_refused(
    parse: Callable[[twilio.Params], object], before: dict[str, str], params: list[tuple[str, str]]
) -> None:
    try:
        parse([*before.items(), *params])
    except Problem as problem:
        check_refusal(problem.http, twilio.error_json(problem))
