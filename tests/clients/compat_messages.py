"""Sends, reads, redacts and deletes messages with the old client; runs in that client's environment.

Arguments: base URL, project, token, and `send` or `erase MESSAGE MESSAGE`. What happened is printed as JSON, a
line a step; errors as the client tells them.
"""

# mypy: ignore-errors

import json
import sys
from datetime import date

from signalwire.rest import Client
from twilio.base.exceptions import TwilioRestException

base, project, token, act, *sids = sys.argv[1:]
FROM, TO = "+15005550006", "+15551230000"

client = Client(project, token, signalwire_space_url="https://gateway.example")
client._api.base_url = base  # the client would insist on https otherwise
messages = client.messages


def tell(**what):
    print(json.dumps(what))


def shown(message):
    names = ("sid", "status", "body", "num_segments", "num_media", "price", "error_code", "from_", "to", "uri")
    return {name: getattr(message, name) for name in names} | {"created": message.date_created.isoformat()}


def error(act):
    try:
        act()
    except TwilioRestException as refused:
        return [refused.status, refused.code]
    raise SystemExit("it was not refused")


def send():
    for number in range(5):
        made = messages.create(to=TO, from_=FROM, body=f"message {number}")
        tell(made=shown(made), fetched=shown(messages(made.sid).fetch()))
    pictured = messages.create(to=TO, from_=FROM, media_url=["https://cdn.example.com/cat.png"])
    tell(media=[medium.content_type for medium in pictured.media.list()], num_media=pictured.num_media)
    tell(listed=[message.sid for message in messages.list(page_size=2)])
    tell(limited=[message.sid for message in messages.list(limit=3, page_size=2)])
    tell(of_a_day=[message.sid for message in messages.list(date_sent=date(2020, 1, 1))])
    tell(refused=error(lambda: messages.create(to="123", from_=FROM, body="x")))
    tell(refused=error(lambda: messages.create(to=TO, from_=FROM)))
    tell(refused=error(lambda: messages(made.sid).update(body="")))
    tell(refused=error(lambda: messages(made.sid).delete()))
    tell(refused=error(lambda: messages("00000000-0000-0000-0000-000000000000").fetch()))


def erase(redacted, deleted):
    tell(redacted=messages(redacted).update(body="").body)
    tell(deleted=messages(deleted).delete())
    tell(refused=error(lambda: messages(deleted).fetch()))
    tell(refused=error(lambda: messages(redacted).update(body="other")))


{"send": send, "erase": erase}[act](*sids)
