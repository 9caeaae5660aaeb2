"""What the broker says at its start of settings that are wrong."""

import pytest

from app.config.settings import load_settings
from app.config.sources import SettingsError


def mistake(**environment: str) -> str:
    """The one line that an operator reads, with these variables set."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SettingsError) as raised:
            load_settings()
    assert "\n" not in str(raised.value)
    return str(raised.value)
