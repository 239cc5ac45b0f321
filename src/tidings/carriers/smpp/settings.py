"""What an operator says about one SMPP carrier: a `[[carrier]]` table of tidings.toml with kind = "smpp".

Read by `settings` of the application; `carrier`, `bind` and `segment` take what they need from it. What is
particular about the carrier rather than about our contract with it belongs in its profile.
"""

import ssl
from typing import Annotated, Literal

import msgspec

Octet = Annotated[int, msgspec.Meta(ge=0, le=255)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]

Charset = Literal["gsm7", "packed", "latin1", "ascii"]


class Tls(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How the connection is encrypted; `tls = true` is all of these defaults."""

    ca_file: str = ""
    """PEM file of the authorities to trust; "" trusts the system's."""
    verify: bool = True
    """False takes any certificate: encrypted, but from whom is anyone's guess."""
    server_name: str = ""
    """What the certificate must be for; "" is the host."""
    cert_file: str = ""
    """PEM file of our own certificate, for carriers that ask for one."""
    key_file: str = ""
    """PEM file of its key; "" when cert_file holds both."""

    def context(self) -> ssl.SSLContext:
        """Raises OSError (ssl.SSLError is one) for files that cannot be read or used."""
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file or None)
        return context


class SmppSettings(
    msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="smpp"
):
    """Times are in seconds."""

    name: str
    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 2775
    tls: bool | Tls = False

    system_id: str
    password: str = ""
    system_type: str = ""
    interface_version: Literal[0x33, 0x34, 0x50] = 0x34
    addr_ton: Octet = 0
    addr_npi: Octet = 0
    address_range: str = ""

    bind: Literal["transceiver", "transmitter+receiver"] = "transceiver"
    binds: Positive = 1
    """Connections; pairs of connections for transmitter+receiver."""
    window: Positive | None = None
    """Unanswered submit_sm a bind; unset: the profile's."""
    throughput: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """Segments a second over all binds, 0 for as fast as the windows allow; unset: the profile's."""
    inbound_window: Positive = 1000
    """Unanswered deliver_sm a bind, beyond which the connection is not read."""

    connect_timeout: Seconds = 10.0
    response_timeout: Seconds = 10.0
    enquire_link: Annotated[float, msgspec.Meta(ge=0)] = 30.0
    """Silence after which the carrier is asked whether it is alive; 0 never asks."""
    reconnect_min: Seconds = 1.0
    reconnect_max: Seconds = 60.0
    refused_min: Seconds = 60.0
    """First pause after a bind was refused for its credentials; doubles up to `refused_max`."""
    refused_max: Seconds = 600.0
    throttle_pause: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    """Longest pause of the whole carrier after it said "too fast"; the message it said so of may wait longer."""

    long_messages: Literal["udh", "sar", "payload"] = "udh"
    """How a message of several segments travels: user data headers, sar_* TLVs, or whole in message_payload."""
    udh_reference: Literal[8, 16] = 8
    """Bits of the concatenation reference in a user data header."""
    gsm7_charset: Charset = "gsm7"
    """What the carrier takes for its default alphabet: unpacked GSM 7-bit, packed, Latin-1 or ASCII."""
    gsm7_data_coding: Octet = 0
    ucs2_data_coding: Octet = 8
    registered_delivery: Octet = 1
    """Sent with every segment; 1 asks for a receipt of success and of failure (SMPP 3.4 §5.2.17)."""
    service_type: str = ""

    plus: bool = False
    """Keep the "+" of E.164 numbers."""
    source_ton: Octet | None = None
    source_npi: Octet | None = None
    dest_ton: Octet | None = None
    dest_npi: Octet | None = None
    """Unset, the four follow from the address; see `segment.address`."""
    short_code_ton: Octet = 3
    short_code_npi: Octet = 0

    profile: str = "default"
    """A shipped profile's name, or the path of one."""

    def __post_init__(self) -> None:
        for field in ("system_id", "password", "system_type", "address_range", "service_type"):
            value: str = getattr(self, field)
            if "\0" in value or not value.isascii():
                raise ValueError(f"{field} may hold ASCII characters only")
        if self.interface_version == 0x33 and self.long_messages != "udh":
            raise ValueError(f'long_messages = "{self.long_messages}" needs SMPP 3.4 (interface_version = 0x34)')
        if self.reconnect_max < self.reconnect_min or self.refused_max < self.refused_min:
            raise ValueError("reconnect_max and refused_max may not be below their minimum")

    def __repr__(self) -> str:
        """Without the password: settings end up in logs."""
        return (
            f"SmppSettings(name={self.name!r}, host={self.host!r}, port={self.port}, system_id={self.system_id!r})"
        )

    def ssl_context(self) -> ssl.SSLContext | None:
        tls = Tls() if self.tls is True else self.tls
        return tls.context() if tls else None
