"""A handset's message as our own API describes it."""

from base64 import b64encode
from typing import Any

import pytest

from tidings.carriers.base import Part
from tidings.carriers.simulator.inbound import Segmentation
from tidings.dialects.own_simulator import MAX_BODY, MAX_MEDIA_SIZE, parse_handset_message
from tidings.errors import Problem

TYPE = "^[A-Za-z0-9_.+-]{1,127}/[A-Za-z0-9_.+-]{1,127}$"
BARE = {"from": "+15551230200", "to": "+15005550006"}


def medium(content: bytes = b"bytes", **more: Any) -> dict[str, Any]:
    return {"content_type": "image/png", "content": b64encode(content).decode(), **more}


def test_a_message_is_read_with_all_that_goes_with_it() -> None:
    given = {**BARE, "body": "Hi ☃", "media": [medium(name="a.png"), medium(b"\0\xff")]}
    message = parse_handset_message(given)
    assert (message.source, message.destination, message.body) == ("+15551230200", "+15005550006", "Hi ☃")
    assert message.parts == [Part("image/png", b"bytes", "a.png"), Part("image/png", b"\0\xff", "")]


def test_a_text_says_how_it_comes_in() -> None:
    assert parse_handset_message(BARE).segments is None
    assert parse_handset_message({**BARE, "segments": {}}).segments == Segmentation("udh8", ())
    given = {**BARE, "segments": {"by": "sar", "order": [3, 1]}}
    assert parse_handset_message(given).segments == Segmentation("sar", (3, 1))


def test_addresses_alone_are_a_message() -> None:
    message = parse_handset_message(BARE)
    assert (message.body, message.parts) == ("", [])


@pytest.mark.parametrize(
    ("spelled", "source"), [("+1 (555) 123-0200", "+15551230200"), ("12345", "12345"), ("TIDINGS", "TIDINGS")]
)
def test_whoever_can_send_can_write(spelled: str, source: str) -> None:
    assert parse_handset_message({**BARE, "from": spelled}).source == source


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "Object missing required field `from`"),
        ({"from": "12345"}, "Object missing required field `to`"),
        ({**BARE, "text": "hi"}, "Object contains unknown field `text`"),
        ({**BARE, "body": 1}, "Expected `str`, got `int` - at `$.body`"),
        ({**BARE, "body": "x" * 1601}, "Expected `str` of length <= 1600 - at `$.body`"),
        ({**BARE, "media": [medium()] * 11}, "Expected `array` of length <= 10 - at `$.media`"),
        ({**BARE, "media": [medium(b"")]}, "Expected `bytes` of length >= 1 - at `$.media[0].content`"),
        (
            {**BARE, "media": [medium() | {"content": "%"}]},
            "Invalid base64 encoded string - at `$.media[0].content`",
        ),
        (
            {**BARE, "media": [medium(content_type="image")]},
            f"Expected `str` matching regex {TYPE!r} - at `$.media[0].content_type`",
        ),
        ({**BARE, "segments": {"by": "mail"}}, "Invalid enum value 'mail' - at `$.segments.by`"),
        ({**BARE, "segments": {"order": ["1"]}}, "Expected `int`, got `str` - at `$.segments.order[0]`"),
        (
            {**BARE, "segments": {"order": [1] * 101}},
            "Expected `array` of length <= 100 - at `$.segments.order`",
        ),
        ({**BARE, "media": [medium()], "segments": {}}, "a message with media has none"),
        ({**BARE, "from": "x@example.com"}, "not a number, short code or sender name"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_handset_message(given)
    assert (caught.value.code, caught.value.details["reason"]) == (20422, reason)


def test_media_have_a_limit_together_and_fit_into_a_body_up_to_it() -> None:
    half = MAX_MEDIA_SIZE // 2
    media = [medium(bytes(half)), medium(bytes(MAX_MEDIA_SIZE - half))]
    assert (
        sum(len(part.content) for part in parse_handset_message({**BARE, "media": media}).parts) == MAX_MEDIA_SIZE
    )
    assert sum(len(one["content"]) for one in media) < MAX_BODY
    with pytest.raises(Problem) as caught:
        parse_handset_message({**BARE, "media": [*media, medium(b"x")]})
    assert (caught.value.code, caught.value.details["reason"]) == (20413, "media may have 5242880 bytes together")
