"""Sends a message with the old client over https, until it was delivered; runs in that client's environment.

Arguments: the authority's file, project, token, status callback. The environment names the gateway, as `tidings
serve --tls` prints it. The message is printed as JSON, as it was made and as it ended.
"""

# mypy: ignore-errors

import json
import sys
import time

from signalwire.rest import Client
from twilio.http.http_client import TwilioHttpClient

authority, project, token, callback = sys.argv[1:]
http = TwilioHttpClient()
http.session.verify = authority
client = Client(project, token, http_client=http)
message = client.messages.create(
    to="+15551230200", from_="+15005550006", body="Hello over https", status_callback=callback
)


def show(message):
    print(json.dumps({"sid": message.sid, "status": message.status, "segments": message.num_segments}))


show(message)
while message.status != "delivered":
    time.sleep(0.05)
    message = client.messages(message.sid).fetch()
show(message)
