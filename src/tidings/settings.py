"""Settings: tidings.toml, typed, with every key also in the environment.

`[server] port` is TIDINGS_SERVER_PORT; a table of a list is named by its place: TIDINGS_CARRIER_0_HOST. Called
once by the command line; everything else gets the part it needs.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from tidings import phone
from tidings.callbacks.delivery import DeliverySettings
from tidings.callbacks.signing import webhook_key
from tidings.callbacks.url import parse_url
from tidings.carriers.mm7.settings import Mm7Settings
from tidings.carriers.simulator.carrier import SimulatorSettings
from tidings.carriers.simulator.mms import MmsSimulatorSettings
from tidings.carriers.smpp.settings import SmppSettings
from tidings.gateway.dispatch import DispatchSettings
from tidings.gateway.inbound import InboundSettings
from tidings.gateway.optout import OptOutSettings
from tidings.gateway.rates import QueueSettings
from tidings.gateway.routes import Route
from tidings.gateway.schedule import ScheduleSettings
from tidings.ids import from_any
from tidings.model import CallbackOptions

PREFIX: Final = "TIDINGS_"
DEVELOPMENT: Final = {"TIDINGS_ACCOUNT_SID", "TIDINGS_AUTH_TOKEN"}
"""Fix the credentials of the account that the development setting makes."""
CLIENT: Final = {"TIDINGS_URL"}
"""Where the verbs that speak to a gateway find it: no setting of the gateway's own."""
NUMBERS: Final = ("+15005550006", *(f"+1555123{last:04}" for last in range(10)))
"""Senders of the development setting's account."""


Dialect = Literal["twilio", "signalwire_compat", "signalwire_rest", "signalwire_relay"]

_KEY_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}")
"""It goes into a header, before a comma."""


class SettingsError(Exception):
    """One line for the person who wrote the settings: where, what, and what would be right."""


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    port: int = 8080
    drain: float = 20.0
    """Seconds that a stop waits for what is in flight."""
    public_url: str = ""
    """Where clients reach this gateway, for the absolute URLs in its answers; "": as the request names it."""
    claim_numbers: bool = False
    """Whether applications may take numbers through an API that are nobody's yet: for development."""
    windable: bool = False
    """Whether the gateway's clock can be wound ahead (`POST /v1/clock`): for development."""
    concurrency: Annotated[int, Meta(ge=0)] = 100
    """Requests of one account that are answered at once; more are told to come again (20429). 0: no limit."""
    sms_messages: bool = False
    """Whether Twilio's deprecated `/SMS/Messages` is served; otherwise it answers 410 (20410)."""
    tls_port: int = 8443
    """Of https and wss, which are served beside http with --tls or a certificate."""
    tls_certificate: str = ""
    """PEM file of a certificate of one's own, its chain included; "": with --tls, one is made."""
    tls_key: str = ""
    """PEM file of its key."""

    def __post_init__(self) -> None:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key go together")


class StoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str = "sqlite:///tidings.db"
    """A relative path lies in the data directory."""


class AccountSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sid: str
    """AC and 32 hex digits, or the same number as a UUID."""
    auth_token: str
    name: str = ""
    numbers: tuple[str, ...] = ()
    """Senders: E.164 numbers, short codes, alphanumeric ids."""
    countries: tuple[str, ...] | None = None
    """ISO 3166 codes it may send to; unset: everywhere."""
    queue_limit: int = 0
    """Most segments that may wait for each of its senders; 0: no limit."""
    previous_token: str | None = None
    """The auth token before this one, good as well for as long as it stands here."""
    signing_key: str | None = None
    """Signs what SignalWire's dialects send (`PSK_…`); unset: the auth token does."""
    dialects: tuple[Dialect, ...] | None = None
    """Those it speaks: twilio, signalwire_compat, signalwire_rest, signalwire_relay; unset: all."""
    test: bool = False
    """Whether its credentials are for rehearsals: requests are checked, and nothing is kept or sent."""
    short_code_country: str = "US"
    """ISO 3166 code of the country that its short codes are good in."""
    callbacks: CallbackOptions = CallbackOptions()

    def __post_init__(self) -> None:
        if from_any(self.sid) is None:
            raise ValueError("sid must be AC and 32 hex digits")
        if not self.auth_token:
            raise ValueError("auth_token may not be empty")
        if self.test and self.numbers:
            raise ValueError("a test account has no numbers")
        if not phone.is_country(self.short_code_country):
            raise ValueError(
                f"short_code_country must be the code of a country, as in US: {self.short_code_country}"
            )
        _check_callbacks(self.callbacks)

    def __repr__(self) -> str:
        return f"AccountSettings(sid={self.sid!r})"


def _check_callbacks(options: CallbackOptions) -> None:
    """Raises ValueError."""
    for key in options.shared_keys:
        if not _KEY_ID.fullmatch(key.id):
            raise ValueError("the id of a shared key is made of letters, digits and any of . _ : -")
        if not key.secret:
            raise ValueError(f"shared key {key.id} has no secret")
    for secret in options.secrets:
        webhook_key(secret)
    if options.url is not None:
        parse_url(options.url)
        if not options.secrets:
            raise ValueError("an account-wide URL needs a secret: callbacks.secrets")


CarrierSettings = SmppSettings | SimulatorSettings | Mm7Settings | MmsSimulatorSettings


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    server: Server = Server()
    store: StoreSettings = StoreSettings()
    account: tuple[AccountSettings, ...] = ()
    carrier: tuple[CarrierSettings, ...] = ()
    route: tuple[Route, ...] = ()
    dispatch: DispatchSettings = DispatchSettings()
    queues: QueueSettings = QueueSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    inbound: InboundSettings = InboundSettings()
    opt_out: OptOutSettings = OptOutSettings()
    callbacks: DeliverySettings = DeliverySettings()

    def __post_init__(self) -> None:
        names = [carrier.name for carrier in self.carrier]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two carriers are named {name!r}")
        prefixes = [route.to for route in self.route]
        for prefix in prefixes:
            if prefixes.count(prefix) > 1:
                raise ValueError(f"two routes go to {prefix!r}: name the carriers of both in one")
        for route in self.route:
            for name in route.carriers:
                if name not in names:
                    raise ValueError(f"route to {route.to!r} names carrier {name!r}, which there is not")
            if not route.carriers:
                raise ValueError(f"route to {route.to!r} names no carrier")


def development(port: int = 8080) -> Settings:
    """What runs without a file: the simulated carriers, and callbacks to this machine allowed."""
    return Settings(
        server=Server(port=port, claim_numbers=True, windable=True),
        carrier=(SimulatorSettings(name="simulator"), MmsSimulatorSettings(name="simulator-mms")),
        route=(Route(to="+", carriers=("simulator", "simulator-mms")),),
        callbacks=DeliverySettings(allow_private=True),
    )


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in a file (None: the development setting), with the environment's on top.

    Raises SettingsError.
    """
    try:
        tables: dict[str, Any] = (
            msgspec.to_builtins(development()) if path is None else tomllib.loads(path.read_text("utf-8"))
        )
        _overlay(tables, environment)
        return msgspec.convert(tables, Settings, strict=False)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise SettingsError(f"{path or 'environment'}: {error}") from None


def _overlay(tables: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name, value in sorted(environment.items()):
        if not name.startswith(PREFIX) or name in DEVELOPMENT | CLIENT:
            continue
        key = name.removeprefix(PREFIX).lower()
        # A section's own name may hold a "_": opt_out.
        section = next((one for one in Settings.__struct_fields__ if key.startswith(f"{one}_")), "")
        rest = key.removeprefix(f"{section}_")
        if not section or not rest:
            raise SettingsError(f"{name} in the environment names no setting")
        if section in ("account", "carrier", "route"):
            place, _, key = rest.partition("_")
            if not place.isdecimal() or not key:
                raise SettingsError(f"{name} must name a place in the list, as in {PREFIX}{section.upper()}_0_…")
            listed = tables.get(section, [])
            if not isinstance(listed, list | tuple) or not all(isinstance(table, dict) for table in listed):
                continue  # wrong as it stands: the conversion says so, and where
            tables[section] = listed = [*listed, *({} for _ in range(int(place) + 1 - len(listed)))]
            listed[int(place)] = {**listed[int(place)], key: _value(value)}
        elif isinstance(table := tables.get(section, {}), dict):
            tables[section] = {**table, rest: _value(value)}


def _value(text: str) -> Any:
    """Lists as TOML writes them; all else is text, which the setting's type reads."""
    if text.startswith(("[", "{")):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return text
