"""What `tidings serve` prints about its https port: where it is, and what each client needs to trust and reach it.

Called by `serve`. What is said of a client was seen with the version named, or is said to be untried.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidings.tls import certificate_in, names_of

TESTED: Final = "tested"
"""This tree's tests hold it."""
TRIED: Final = "tried once"
UNTRIED: Final = "untried, by their documentation"


@dataclass(frozen=True, slots=True)
class Client:
    name: str
    proof: str
    lines: tuple[str, ...]
    """For a shell, comments included; `client_lines` fills in what stands in braces."""


CLIENTS: Final = (
    Client("curl", TESTED, ("curl --cacert {ca} https://{at}/health/ready",)),
    Client(
        "signalwire-sdk 3.7.5 for Python, REST and RELAY",
        TESTED,
        (
            "export SIGNALWIRE_SPACE={capital}",
            "export SIGNALWIRE_REST_CA_FILE={ca}",
            "export SIGNALWIRE_RELAY_CA_FILE={ca}",
            "unset REQUESTS_CA_BUNDLE  # or it takes the place of SIGNALWIRE_REST_CA_FILE",
        ),
    ),
    Client(
        "signalwire 2.1.1 for Python, REST",
        TESTED,
        (
            "export SIGNALWIRE_SPACE_URL=https://{at}",
            "# Its authorities are fixed but for the program's own word:",
            "#   http = TwilioHttpClient()  # of twilio.http.http_client",
            "#   http.session.verify = {path!r}",
            "#   client = Client(project, token, http_client=http)",
        ),
    ),
    Client(
        "signalwire 2.1.1 for Python, RELAY",
        TESTED,
        (
            "export SSL_CERT_FILE={ca}  # in place of the system's authorities",
            '# in the Consumer: self.host = "{at}"',
        ),
    ),
    Client(
        "twilio 9.13 for Python",
        TESTED,
        ("export REQUESTS_CA_BUNDLE={ca}", '# in the program: client.api.base_url = "https://{at}"'),
    ),
    Client(
        "@signalwire/compatibility-api 3.2.0 for Node",
        TRIED,
        ("export SIGNALWIRE_SPACE_URL={at}  # no https://", "export NODE_EXTRA_CA_CERTS={ca}"),
    ),
    Client(
        "@signalwire/realtime-api 4.2.1 for Node",
        TRIED,
        ("export NODE_EXTRA_CA_CERTS={ca}", '# in the program: SignalWire({{ project, token, host: "{at}" }})'),
    ),
    Client(
        "SignalWire's SDKs for TypeScript and Go",
        UNTRIED,
        (
            "export SIGNALWIRE_REST_BASE_URL=https://{at}",
            "export SIGNALWIRE_RELAY_HOST={at}",
            "export SIGNALWIRE_REST_CA_FILE={ca}",
            "export SIGNALWIRE_RELAY_CA_FILE={ca}",
        ),
    ),
    Client(
        "signalwire for Ruby",
        UNTRIED,
        (
            "export SIGNALWIRE_HOST={host}  # not SIGNALWIRE_SPACE_URL, which is documented and not read",
            "export SSL_CERT_FILE={ca}  # it calls port 443: --tls-port 443, or a forwarded port",
        ),
    ),
    Client(
        "other programs that use OpenSSL or Go's TLS",
        UNTRIED,
        ("export SSL_CERT_FILE={ca}  # in place of the system's authorities",),
    ),
)


def secured_lines(at: str, certificate: Path, authority: Path | None) -> str:
    """Of the port at `at` (host:port); `authority` is what clients must trust, None where they do already."""
    shown = certificate_in(certificate)
    lines = [
        f"https and wss  https://{at}, wss://{at}",
        f"certificate    {certificate}",
        f"               for {', '.join(names_of(shown))}; until {shown.not_valid_after_utc:%Y-%m-%d}",
    ]
    if authority:
        lines += [f"authority      {authority}, which clients must trust:", "", *client_lines(at, authority)]
    return "\n".join(f"  {line}" if line else "" for line in lines) + "\n"


def client_lines(at: str, authority: Path) -> list[str]:
    """What to put before each client, and how far that is known to be right."""
    # With "localhost" signalwire-sdk speaks plain http, for REST alone; it does not know the name with a capital.
    values = {
        "at": at,
        "host": at.rpartition(":")[0],
        "ca": shlex.quote(str(authority)),
        "path": str(authority),
        "capital": at.replace("localhost:", "Localhost:"),
    }
    lines = []
    for client in CLIENTS:
        lines.append(f"# {client.name} ({client.proof})")
        lines += [line.format_map(values) for line in client.lines]
        lines.append("")
    return lines[:-1]
