"""XML, and what a driver of a few lines answers → the effects; each limit, each error, and any bytes at all."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.answering.effects import (
    Document,
    Effect,
    FetchDocument,
    Inbound,
    Note,
    Replied,
    Reply,
    Result,
    Script,
    Unusable,
)
from tidings.dialects.markup import FLAVOURS, MAX_BODY, MAX_DOCUMENTS, MAX_MEDIA, MAX_NOTES, MAX_REPLIES, run
from tidings.errors import CATALOGUE

ID = "0198f3c2a1b47c3d8e9f001122334455"
INBOUND = Inbound(ID, "a" * 32, "+15551230000", "+15005550006", "Hi", "sms", (), 1, 0)
TWILIO, COMPAT = "twilio", "signalwire_compat"
SENT = Replied("1" * 32, None)


def document(content: str | bytes, kind: str = "text/xml") -> Document:
    return Document("https://a.example/sms", kind, content.encode() if isinstance(content, str) else content)


def response(inside: str) -> Document:
    return document(f"<Response>{inside}</Response>")


def play(script: Script, answer: Callable[[Effect], Result]) -> list[Effect]:
    """What a script asks for, each answered."""
    effects: list[Effect] = []
    try:
        effect = next(script)
        while True:
            effects.append(effect)
            effect = script.send(None if isinstance(effect, Note) else answer(effect))
    except StopIteration:
        return effects


def played(dialect: str, first: Document, *results: Result) -> list[Effect]:
    """Where fewer results are given than asked for the test fails, as it does where some are left."""
    left = list(results)
    effects = play(run(first, INBOUND, FLAVOURS[dialect]), lambda _: left.pop(0))
    assert not left
    return effects


def refused(dialect: str, first: Document, *results: Result) -> Unusable:
    with pytest.raises(Unusable) as caught:
        played(dialect, first, *results)
    return caught.value


def codes(effects: Sequence[Effect]) -> list[int]:
    return [effect.code for effect in effects if isinstance(effect, Note)]


PNG, PDF = "https://a.example/a.png", "https://a.example/b.pdf"
MESSAGES: list[tuple[str, str, Reply]] = [
    ("plain text", "<Message>Hello</Message>", Reply("Hello")),
    ("text loses the white space around it", "<Message>\n  Hello \n you\n</Message>", Reply("Hello \n you")),
    ("a body", "<Message><Body>Hello</Body></Message>", Reply("Hello")),
    ("bodies are joined", "<Message><Body>Hello </Body>\n<Body>you</Body></Message>", Reply("Hello you")),
    ("text and a body", "<Message>\n Hello\n <Body>, you</Body></Message>", Reply("Hello, you")),
    ("entities and CDATA", "<Message>a &amp; b&#8364;<![CDATA[<c>]]></Message>", Reply("a & b€<c>")),
    ("comments are none of it", "<Message>a<!-- b -->c</Message>", Reply("ac")),
    ("media alone", f"<Message><Media> {PNG} </Media></Message>", Reply("", (PNG,))),
    (
        "media in their order",
        f"<Message><Media>{PDF}</Media><Body>x</Body><Media>{PNG}</Media></Message>",
        Reply("x", (PDF, PNG)),
    ),
    ("no media", "<Message>x<Media/></Message>", Reply("x")),
    (
        "to somebody else, from another number",
        '<Message to="+1555" from="777">x</Message>',
        Reply("x", (), "+1555", "777"),
    ),
    ("empty attributes are none", '<Message to="" from=" " statusCallback="" action="">x</Message>', Reply("x")),
    (
        "a status callback, as it is written",
        '<Message statusCallback="/status?a=1&amp;b=2#rc=2">x</Message>',
        Reply("x", callback_url="/status?a=1&b=2#rc=2"),
    ),
]


@pytest.mark.parametrize("dialect", [TWILIO, COMPAT])
@pytest.mark.parametrize(("inside", "reply"), [row[1:] for row in MESSAGES], ids=[row[0] for row in MESSAGES])
def test_a_message_is_a_reply(dialect: str, inside: str, reply: Reply) -> None:
    assert played(dialect, response(inside), SENT) == [reply]


@pytest.mark.parametrize("dialect", [TWILIO, COMPAT])
@pytest.mark.parametrize("kind", ["text/xml", "application/xml", "text/html"])
@pytest.mark.parametrize(
    "content",
    [
        "<Response/>",
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response>\n</Response>\n',
        "\ufeff<Response></Response>",
        '<Response version="2010-04-01"/>',
        '<Response xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="x"/>',
        "  <Response/>",
    ],
)
def test_an_empty_response_sends_nothing(dialect: str, kind: str, content: str) -> None:
    assert played(dialect, document(content, kind)) == []


def test_the_verb_of_old_is_a_message_for_twilio_only() -> None:
    old = response('<Sms to="+1555" from="777" statusCallback="/status">Hi</Sms><Message>you</Message>')
    assert played(TWILIO, old, SENT, SENT) == [Reply("Hi", (), "+1555", "777", "/status"), Reply("you")]
    assert refused(COMPAT, old).code == 12200


def test_the_verb_of_old_leads_on_as_a_message_does() -> None:
    old = response('<Sms action="/next" method="GET">Hi</Sms><Message>never</Message>')
    (_, asked) = played(TWILIO, old, SENT, response(""))
    assert isinstance(asked, FetchDocument)
    assert (asked.url, asked.method) == ("/next", "GET")


def test_messages_are_sent_in_order_and_one_that_is_refused_stops_none() -> None:
    first = response("<Message>a</Message><Message>b</Message>")
    assert played(TWILIO, first, Replied(None, 21610), SENT) == [Reply("a"), Reply("b")]


def test_another_encoding_is_read_as_it_says() -> None:
    xml = '<?xml version="1.0" encoding="ISO-8859-1"?><Response><Message>é</Message></Response>'
    assert played(TWILIO, document(xml.encode("latin-1")), SENT) == [Reply("é")]


# --- Redirect and action


@pytest.mark.parametrize("dialect", [TWILIO, COMPAT])
def test_what_a_redirect_leads_to_takes_the_place_of_the_rest(dialect: str) -> None:
    first = response("<Message>a</Message><Redirect> https://b.example/x </Redirect><Message>never</Message>")
    assert played(dialect, first, SENT, response("<Message>b</Message>"), SENT) == [
        Reply("a"),
        FetchDocument("https://b.example/x"),
        Reply("b"),
    ]


def test_a_redirect_may_be_relative_and_by_get() -> None:
    first = response('<Redirect method="get">../x?y=1</Redirect>')
    assert played(TWILIO, first, response("")) == [FetchDocument("../x?y=1", "GET")]


def test_a_redirect_to_nowhere_is_passed_over() -> None:
    first = response("<Redirect> </Redirect><Message>a</Message>")
    assert [*map(type, played(TWILIO, first, SENT))] == [Note, Reply]
    assert codes(played(TWILIO, first, SENT)) == [11100]


WITH_ACTION = response('<Message action="/next" method="GET">a</Message><Message>never</Message>')


def action_request(dialect: str, replied: Replied, message: str = "a") -> dict[str, str]:
    first = response(f'<Message action="/next">{message}</Message>')
    asked = played(dialect, first, replied, response(""))[-1]
    assert isinstance(asked, FetchDocument)
    assert (asked.url, asked.method, asked.body) == ("/next", "POST", None)
    return dict(asked.params)


@pytest.mark.parametrize("dialect", [TWILIO, COMPAT])
def test_what_action_answers_takes_the_place_of_the_rest(dialect: str) -> None:
    reply, asked, second = played(dialect, WITH_ACTION, SENT, response("<Message>b</Message>"), SENT)
    assert isinstance(reply, Reply)
    assert isinstance(asked, FetchDocument)
    assert (reply.body, asked.url, asked.method, second) == ("a", "/next", "GET", Reply("b"))


def test_for_twilio_action_is_asked_with_the_replys_sid() -> None:
    own = "SM" + "1" * 32
    assert action_request(TWILIO, SENT) == {
        "MessageSid": own,
        "SmsSid": own,
        "SmsMessageSid": own,
        "MessageStatus": "sending",
        "SmsStatus": "sending",
    }
    assert action_request(TWILIO, SENT, "<Media>/x</Media>")["MessageSid"] == "MM" + "1" * 32


def test_for_signalwire_action_is_asked_with_the_status_only() -> None:
    assert action_request(COMPAT, SENT) == {"MessageStatus": "sending"}


@pytest.mark.parametrize(
    ("dialect", "error", "status", "number"),
    [
        (TWILIO, 21211, "invalid", "21211"),
        (TWILIO, 30001, "failed", "30001"),
        (COMPAT, 21606, "invalid", "21210"),
        (COMPAT, 20503, "failed", "20504"),
    ],
)
def test_action_is_told_why_there_is_no_reply(dialect: str, error: int, status: str, number: str) -> None:
    params = action_request(dialect, Replied(None, error))
    assert (params["MessageStatus"], params["ErrorCode"]) == (status, number)
    assert "MessageSid" not in params


def test_for_twilio_action_is_told_the_status_where_nothing_else_is() -> None:
    both = response('<Message action="/a" statusCallback="/b">x</Message>')
    assert played(TWILIO, WITH_ACTION, SENT, response(""))[0] == Reply("a", callback_url="/next")
    assert played(TWILIO, both, SENT, response(""))[0] == Reply("x", callback_url="/b")
    assert played(COMPAT, WITH_ACTION, SENT, response(""))[0] == Reply("a")


@pytest.mark.parametrize("dialect", [TWILIO, COMPAT])
@pytest.mark.parametrize(
    ("answer", "noted"),
    [
        (document("", ""), []),
        (document("\n", "text/html"), []),
        (document("OK", "text/plain"), [12300]),
        (document("{}", "application/json"), [12300]),
    ],
)
def test_an_action_that_answers_as_a_status_callback_does_ends_it(
    dialect: str, answer: Document, noted: list[int]
) -> None:
    effects = played(dialect, WITH_ACTION, SENT, answer)
    assert [type(effect) for effect in effects[:2]] == [Reply, FetchDocument]
    assert codes(effects[2:]) == noted
    assert len(effects) == 2 + len(noted)


# --- content types


def test_plain_text_is_a_reply_for_twilio_and_refused_by_signalwire() -> None:
    text = document("OK, grüße\n", "text/plain")
    assert played(TWILIO, text, SENT) == [Reply("OK, grüße")]
    assert refused(COMPAT, text).code == 12300


def test_an_answer_of_nothing_is_one_for_twilio_and_an_empty_document_for_signalwire() -> None:
    assert played(TWILIO, document("", "")) == []
    assert played(TWILIO, document("  ", "text/plain")) == []
    assert refused(COMPAT, document("", "")).code == 12100
    assert refused(TWILIO, document("", "text/xml")).code == 12100


@pytest.mark.parametrize("dialect", [TWILIO, COMPAT])
@pytest.mark.parametrize("kind", ["", "application/json", "image/png", "text/xml; charset=utf-8"])
def test_any_other_content_type_is_refused(dialect: str, kind: str) -> None:
    assert refused(dialect, document("<Response/>", kind)).code == 12300


# --- what is wrong

BOMB = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><Response><Message>&b;</Message></Response>'
EXTERNAL = '<!DOCTYPE r SYSTEM "http://10.0.0.1/x.dtd"><Response/>'
UNUSABLE: list[tuple[str, str | bytes, int]] = [
    ("no XML", "OK", 12100),
    ("not closed", "<Response><Message>a</Message>", 12100),
    ("a bare ampersand", "<Response><Message>a & b</Message></Response>", 12100),
    ("two roots", "<Response/><Response/>", 12100),
    ("white space before the declaration", '\n<?xml version="1.0"?><Response/>', 12100),
    ("an entity nobody declared", "<Response><Message>&hello;</Message></Response>", 12100),
    ("entities that expand", BOMB, 12100),
    ("a document type elsewhere", EXTERNAL, 12100),
    ("not the encoding it says", b"<Response><Message>\xe9</Message></Response>", 12100),
    ("an encoding nobody knows", '<?xml version="1.0" encoding="x-klingon"?><Response/>', 12100),
    ("an encoding of several octets", '<?xml version="1.0" encoding="gb18030"?><Response/>', 12100),
    ("an attribute twice", '<Response><Message to="1" to="2">a</Message></Response>', 12100),
    ("a page", "<html><body>Error</body></html>", 12102),
    ("lower case", "<response><Message>a</Message></response>", 12102),
    ("a version nobody knows", '<Response version="3"/>', 12101),
]


@pytest.mark.parametrize("dialect", [TWILIO, COMPAT])
@pytest.mark.parametrize(("content", "code"), [row[1:] for row in UNUSABLE], ids=[row[0] for row in UNUSABLE])
def test_a_document_that_is_none_is_unusable(dialect: str, content: str | bytes, code: int) -> None:
    error = refused(dialect, document(content))
    assert (error.code, error.word) == (code, "")
    assert CATALOGUE[code]


ODD: list[tuple[str, str, int]] = [
    ("a verb in lower case", "<message>a</message>", 12200),
    ("a verb of voice", "<Say>a</Say>", 14110),
    ("something in a message", "<Message>x<Image>a</Image></Message>", 12200),
    ("something in a body", "<Message><Body>x<b>a</b></Body></Message>", 12200),
    ("something in a redirect", "<Redirect>/x<Url/></Redirect>", 12200),
]


@pytest.mark.parametrize(("inside", "code"), [row[1:] for row in ODD], ids=[row[0] for row in ODD])
def test_an_element_that_is_not_known_is_passed_over_by_twilio_and_refused_by_signalwire(
    inside: str, code: int
) -> None:
    first = response(f"{inside}")
    effects = play(run(first, INBOUND, FLAVOURS[TWILIO]), lambda e: SENT if isinstance(e, Reply) else response(""))
    assert codes(effects) == [code]
    assert "a" not in [effect.body for effect in effects if isinstance(effect, Reply)]
    error = refused(COMPAT, first)
    assert error.code == 12200
    assert "Line 1" in str(error)


@pytest.mark.parametrize("dialect", [TWILIO, COMPAT])
@pytest.mark.parametrize(
    ("inside", "code"),
    [
        ('<Message To="+1">a</Message>', 12200),
        ('<Message><Body lang="en">a</Body></Message>', 12200),
        ("stray<Message>a</Message>", 12200),
        ('<Message method="PUT">a</Message>', 14104),
    ],
)
def test_what_else_is_wrong_is_noted_and_the_message_sent(dialect: str, inside: str, code: int) -> None:
    effects = played(dialect, response(inside), SENT)
    assert codes(effects) == [code]
    assert effects[1:] == [Reply("a")]


def test_a_note_says_where() -> None:
    (note,) = played(TWILIO, document("<Response>\n\n  <Play/>\n</Response>"))
    assert isinstance(note, Note)
    assert note.text.startswith("Line 3: <Play>")


def test_only_the_first_notes_of_a_document_are_kept() -> None:
    assert len(played(TWILIO, response("<x/>" * (MAX_NOTES + 1)))) == MAX_NOTES
    assert len(played(TWILIO, response("<x/>" * (MAX_NOTES - 1)))) == MAX_NOTES - 1


# --- limits


@pytest.mark.parametrize(("dialect", "code"), [(TWILIO, 14103), (COMPAT, 21617)])
@pytest.mark.parametrize(("letter", "most"), [("a", MAX_BODY), ("😀", MAX_BODY // 2)])
def test_a_text_of_1600_characters_is_sent_and_no_longer_one(
    dialect: str, code: int, letter: str, most: int
) -> None:
    split = f"<Message><Body>{letter * (most - 1)}</Body><Body>%s</Body></Message>"
    assert played(dialect, response(split % letter), SENT) == [Reply(letter * most)]
    assert codes(played(dialect, response(split % (letter * 2)))) == [code]


@pytest.mark.parametrize("dialect", [TWILIO, COMPAT])
def test_ten_media_are_sent_and_no_more(dialect: str) -> None:
    ten = "<Media>/x</Media>" * MAX_MEDIA
    assert played(dialect, response(f"<Message>{ten}</Message>"), SENT) == [Reply("", ("/x",) * MAX_MEDIA)]
    assert codes(played(dialect, response(f"<Message>{ten}<Media>/y</Media></Message>"))) == [21623]


@pytest.mark.parametrize(("dialect", "code"), [(TWILIO, 14103), (COMPAT, 21602)])
def test_a_message_without_text_and_media_is_not_sent_and_action_is_told(dialect: str, code: int) -> None:
    first = response('<Message action="/next"> </Message>')
    note, asked = played(dialect, first, response(""))
    assert isinstance(note, Note)
    assert note.code == code
    assert isinstance(asked, FetchDocument)
    assert set(asked.params) >= {("MessageStatus", "invalid"), ("ErrorCode", str(code))}


def test_ten_replies_are_sent_and_no_more() -> None:
    ten = "<Message>a</Message>" * MAX_REPLIES
    assert played(TWILIO, response(ten), *[SENT] * MAX_REPLIES) == [Reply("a")] * MAX_REPLIES
    effects = played(TWILIO, response(ten + "<Message>b</Message>"), *[SENT] * MAX_REPLIES)
    assert effects[:-1] == [Reply("a")] * MAX_REPLIES
    assert codes(effects) == [14109]


def test_replies_are_counted_over_all_documents() -> None:
    first = response("<Message>a</Message><Redirect>/again</Redirect>")
    effects = play(run(first, INBOUND, FLAVOURS[TWILIO]), lambda e: SENT if isinstance(e, Reply) else first)
    assert sum(isinstance(effect, Reply) for effect in effects) == MAX_REPLIES
    assert codes(effects) == [14109]


@pytest.mark.parametrize("dialect", [TWILIO, COMPAT])
@pytest.mark.parametrize(
    ("verb", "most", "code"),
    [
        ("<Redirect>/again</Redirect>", MAX_DOCUMENTS - 1, 14106),
        ('<Message action="/again"/>', MAX_REPLIES, 14109),
        ('<Message action="/again">a</Message>', MAX_REPLIES, 14109),
    ],
)
def test_documents_that_lead_to_themselves_come_to_an_end(dialect: str, verb: str, most: int, code: int) -> None:
    first = response(verb)
    effects = play(run(first, INBOUND, FLAVOURS[dialect]), lambda e: SENT if isinstance(e, Reply) else first)
    assert sum(isinstance(effect, FetchDocument) for effect in effects) == most
    assert codes(effects)[-1] == code


def test_fifty_documents_are_read_and_no_more() -> None:
    again = response("<Redirect>/again</Redirect>")
    assert len(played(TWILIO, again, *[again] * (MAX_DOCUMENTS - 2), response(""))) == MAX_DOCUMENTS - 1
    effects = played(TWILIO, again, *[again] * (MAX_DOCUMENTS - 1))
    assert codes(effects) == [14106]
    assert len(effects) == MAX_DOCUMENTS


def test_deep_and_wide_documents_are_read() -> None:
    deep = "<a>" * 20_000 + "</a>" * 20_000
    assert codes(played(TWILIO, response(f"<Message>x{deep}</Message>"), SENT)) == [12200]


# --- anything at all

NAMES = ["Response", "Message", "Body", "Media", "Redirect", "Sms", "Say", "x"]
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["to", "from", "action", "method", "statusCallback", "version", "y"]),
    st.sampled_from(["", "GET", "/again", "+1"]),
    max_size=3,
)


def element(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def write(name: str, attributes: dict[str, str], parts: list[str]) -> str:
        given = "".join(f' {key}="{value}"' for key, value in attributes.items())
        return f"<{name}{given}>{''.join(parts)}</{name}>"

    return st.builds(write, st.sampled_from(NAMES), ATTRIBUTES, st.lists(inside, max_size=4))


TREES = st.recursive(st.sampled_from(["", " ", "text", "&amp;", "&x;", "<!-- c -->"]), element, max_leaves=12)
KINDS = st.sampled_from(["", "text/xml", "text/html", "text/plain", "application/json"])
RESPONSES = TREES.map("<Response>{}</Response>".format)
CONTENTS = st.binary(max_size=60) | (TREES | RESPONSES).map(str.encode)
RESULTS = st.sampled_from([SENT, Replied(None, 21211), Replied(None, None)])


@given(st.data(), st.sampled_from(sorted(FLAVOURS)))
def test_any_documents_end_or_are_unusable(data: st.DataObject, dialect: str) -> None:
    def any_document() -> Document:
        return document(data.draw(CONTENTS), data.draw(KINDS))

    def answer(effect: Effect) -> Result:
        return data.draw(RESULTS) if isinstance(effect, Reply) else any_document()

    try:
        effects = play(run(any_document(), INBOUND, FLAVOURS[dialect]), answer)
    except Unusable as error:
        assert error.code in CATALOGUE
        return
    assert sum(isinstance(effect, Reply) for effect in effects) <= MAX_REPLIES
    assert set(codes(effects)) <= CATALOGUE.keys()
