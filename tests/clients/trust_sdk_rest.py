"""One request with signalwire-sdk, as its environment says. What became of it is printed as JSON."""

import json

from signalwire.rest import RestClient, SignalWireRestError

client = RestClient(project="project", token="token")
try:
    client.messages.create(to="+15551230200", from_="+15005550006", body="Hello")
except SignalWireRestError as error:
    print(json.dumps({"status": error.status_code} if error.status_code else {"failed": str(error)}))
