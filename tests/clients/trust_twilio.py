"""One request with the twilio package to the base URL named. What became of it is printed as JSON."""

import json
import sys

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

client = Client("AC" + "1" * 32, "token")
client.api.base_url = sys.argv[1]
try:
    client.messages("SM" + "1" * 32).fetch()
except TwilioRestException as error:
    print(json.dumps({"status": error.status}))
except OSError as error:
    print(json.dumps({"failed": str(error)}))
