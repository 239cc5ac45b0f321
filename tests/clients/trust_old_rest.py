"""One request with the old client, told of the authority in the program; runs in that client's environment.

Arguments: the authority's file, where there is one. What became of the request is printed as JSON.
"""

# mypy: ignore-errors

import json
import sys

from signalwire.rest import Client
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient

http = TwilioHttpClient()
if sys.argv[1:]:
    http.session.verify = sys.argv[1]
try:
    Client("project", "token", http_client=http).messages("sid").fetch()
except TwilioRestException as error:
    print(json.dumps({"status": error.status}))
except OSError as error:
    print(json.dumps({"failed": str(error)}))
