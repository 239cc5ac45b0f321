"""The errors that are somebody's mistake or misfortune and not ours: told in one line, without a traceback.

Read by `tidings.cli.run` once something has gone wrong.
"""

from typing import Final

from tidings.carriers.simulator.scenario import ScenarioError
from tidings.carriers.smpp.profile import ProfileError
from tidings.settings import SettingsError
from tidings.store.base import StoreError
from tidings.tls import TlsError

EXPECTED: Final = (SettingsError, StoreError, ScenarioError, ProfileError, TlsError, OSError)
