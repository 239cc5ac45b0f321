"""Connects signalwire-sdk's RELAY client, as its environment says, and goes on until it is stopped."""

import asyncio

from signalwire.relay import RelayClient

asyncio.run(RelayClient(project="project", token="token", contexts=["office"]).connect())
