"""Prints the version of each distribution named; runs in the old client's environment."""

# mypy: ignore-errors

import json
import sys
from importlib.metadata import version

import signalwire.relay.consumer
import signalwire.rest  # noqa: F401 - that both can be imported is half of what is asked

for name in sys.argv[1:]:
    print(json.dumps({name: version(name)}))
