"""What the README tells users of Twilio's clients to write reaches the gateway, all of it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from twilio.rest import Client

if TYPE_CHECKING:
    from tests.web.conftest import Site

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
DEFAULT = "http://127.0.0.1:8080"


def snippets(language: str) -> Sequence[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_the_python_of_the_readme_sends_a_message_and_reaches_every_api(site: "Site") -> None:
    (snippet,) = snippets("python")
    ours = site.client()
    filled = {DEFAULT: site.url, "AC…": ours.username, "auth token": ours.password}
    for placeholder, value in filled.items():
        assert placeholder in snippet
        snippet = snippet.replace(placeholder, value)
    names: dict[str, Any] = {}

    exec(snippet, names)

    client: Client = names["client"]
    assert [message.body for message in client.messages.list()] == ["Hello"]
    assert client.messaging.v1.services.list() == []
    assert client.monitor.v1.alerts.list() == []


def test_the_javascript_of_the_readme_leaves_no_host_of_twilios() -> None:
    (snippet,) = snippets("js")
    pattern, moved = re.findall(r'options\.uri\.replace\(/(.+)/, "(.+)"\)', snippet)[0]
    hosts = [urlsplit(api.base_url).netloc for api in vars(_loaded()).values() if hasattr(api, "base_url")]
    assert {"api.twilio.com", "messaging.twilio.com", "monitor.twilio.com"} <= set(hosts)

    for host in hosts:
        assert re.sub(pattern.replace(r"\/", "/"), moved, f"https://{host}/v1/x") == f"{DEFAULT}/v1/x"


def _loaded() -> Client:
    """A client that has each of its APIs at hand: it makes them when they are first asked for."""
    client = Client("AC" + "0a" * 16, "token")
    for name, value in vars(type(client)).items():
        if isinstance(value, property):
            getattr(client, name)
    return client
