"""What an operator says about one MM7 carrier: a `[[carrier]]` table of tidings.toml with kind = "mm7".

Read by `settings` of the application; the modules beside this one take what they need from it.
"""

import re
import ssl
from typing import Annotated, Final

import httpx
import msgspec

from tidings.carriers.mm7.mime import TransferEncoding
from tidings.carriers.mm7.soap import Schema
from tidings.carriers.smpp.settings import Positive, Seconds, Tls

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_IN_REQUESTS: Final = (
    "url", "user", "password", "vasp_id", "vas_id", "service_code", "namespace", "version",
)  # fmt: skip


class Mm7Settings(
    msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="mm7"
):
    """Times are in seconds."""

    name: str
    url: str
    """Where the operator's MMSC takes submissions, http or https."""
    user: str = ""
    """HTTP Basic user at the MMSC; "" sends no credentials."""
    password: str = ""
    vasp_id: str
    """Who we are to the operator (VASPID)."""
    vas_id: str = ""
    """Which of our services this is (VASID), where the operator tells them apart."""
    service_code: str = ""
    """What the operator charges by (ServiceCode), where it wants one."""
    namespace: str = Schema().namespace
    """Of the version of MM7's schema that the MMSC reads."""
    version: str = Schema().version
    """MM7Version, which goes with the namespace: 5.3.0 with REL-5-MM7-1-2."""
    plus: bool = False
    """Keep the "+" of E.164 numbers."""
    transfer_encoding: TransferEncoding = "binary"
    """How media travel; base64 is a third longer, for MMSCs that take nothing else."""
    tls: Tls = Tls()
    """Of an https URL."""

    window: Positive = 10
    """Unanswered submissions, each on a connection of its own."""
    throughput: Annotated[float, msgspec.Meta(ge=0)] = 0
    """Messages a second, 0 for as fast as the window allows."""
    timeout: Seconds = 60.0
    """For one submission, from connecting to the last byte of its answer; the media take their time."""
    connect_timeout: Seconds = 10.0
    reconnect_min: Seconds = 1.0
    reconnect_max: Seconds = 60.0
    refused_min: Seconds = 60.0
    """First pause after the MMSC did not know us (HTTP 401, 4001 …); doubles up to `refused_max`."""
    refused_max: Seconds = 600.0

    inbound_user: str
    """HTTP Basic user that the MMSC must name when it delivers to us."""
    inbound_password: str

    def __post_init__(self) -> None:
        for field in _IN_REQUESTS:
            if _CONTROL.search(getattr(self, field)):
                raise ValueError(f"{field} may hold no control characters")
        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise ValueError(f"url: {error}") from None
        if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 80) < 65_536:
            raise ValueError("url must read as https://host/path")
        if url.userinfo:
            raise ValueError("url may hold no credentials: they are `user` and `password`")
        if ":" in self.user or ":" in self.inbound_user:
            raise ValueError("user and inbound_user may hold no colon (RFC 7617)")
        if not self.inbound_user or not self.inbound_password:
            raise ValueError("inbound_user and inbound_password may not be empty: anybody could deliver")
        if not self.name or "/" in self.name:
            raise ValueError("name is part of the path that the MMSC delivers to: it may hold no slash")
        if self.reconnect_max < self.reconnect_min or self.refused_max < self.refused_min:
            raise ValueError("reconnect_max and refused_max may not be below their minimum")

    def ssl_context(self) -> ssl.SSLContext:
        """For http, which needs none, one that trusts nobody. Raises OSError for files that cannot be used."""
        return self.tls.context() if self.url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    @property
    def schema(self) -> Schema:
        return Schema(self.namespace, self.version)

    def __repr__(self) -> str:
        """Without the passwords: settings end up in logs."""
        return f"Mm7Settings(name={self.name!r}, url={self.url!r}, vasp_id={self.vasp_id!r})"
