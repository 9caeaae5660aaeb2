"""Finds speech hooks in packages that are installed beside the broker."""

from importlib.metadata import EntryPoint, entry_points
from typing import Final, cast

import structlog

from app.config.sources import SettingsError
from app.sessions.speech.text.moderation import Hook, PythonHook, in_process

ENTRY_POINTS: Final = "avatar_broker.speech_hooks"
"""The entry point group under which packages register speech hooks."""

log = structlog.get_logger(__name__)


def installed_hooks() -> list[Hook]:
    """Load the speech hooks of installed packages, in the order of their names.

    Raises `SettingsError` when one can't be loaded: it might have refused a text.
    """
    found = sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name)
    return [in_process(_loaded(point)) for point in found]


def _loaded(point: EntryPoint) -> PythonHook:
    description = f"the speech hook {point.name!r} ({point.value})"
    try:
        hook = point.load()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise SettingsError(
            f"{description} can't be loaded, mend or uninstall its package: {reason}"
        ) from error
    if not callable(hook):
        raise SettingsError(f"{description} is no function")
    log.info("speech hook", name=point.name)
    return cast(PythonHook, hook)
