"""Speech hooks that come with packages installed beside the broker."""

from importlib.metadata import EntryPoint, entry_points
from typing import Final, cast

import structlog

from app.config.sources import SettingsError
from app.sessions.speech.text.moderation import Hook, PythonHook, in_process

ENTRY_POINTS: Final = "avatar_broker.speech_hooks"
"""The group of their entry points."""

log = structlog.get_logger(__name__)


def installed_hooks() -> list[Hook]:
    """Those that installed packages bring, by name.

    Raises `SettingsError` when there is one that can't be asked: it might have refused a text.
    """
    found = sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name)
    return [in_process(_loaded(point)) for point in found]


def _loaded(point: EntryPoint) -> PythonHook:
    called = f"the speech hook {point.name!r} ({point.value})"
    try:
        hook = point.load()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise SettingsError(
            f"{called} can't be loaded, mend or uninstall its package: {reason}"
        ) from error
    if not callable(hook):
        raise SettingsError(f"{called} is no function")
    log.info("speech hook", name=point.name)
    return cast(PythonHook, hook)
