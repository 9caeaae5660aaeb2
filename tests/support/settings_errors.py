"""What the broker says at its start of settings that are wrong."""

import pytest

from app.config.settings import load_settings
from app.config.sources import SettingsError


def mistake(**environment: str) -> str:
    """The only line that an operator reads, with these variables set."""
    [told] = mistakes(**environment)
    return told


def mistakes(**environment: str) -> tuple[str, ...]:
    """The lines that an operator reads, with these variables set."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SettingsError) as raised:
            load_settings()
    assert str(raised.value) == "\n".join(raised.value.mistakes)
    return raised.value.mistakes
