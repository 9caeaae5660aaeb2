"""What the process is told from outside: settings held in files, and names that mean nothing."""

import difflib
import re
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

OWN_PREFIXES: Final = ("AVATAR_", "KALTURA_")
"""Only these are surely ours in a process's environment; in `.env` every name is."""

MISSPELT: Final = 0.9
"""How close to a setting's name another must be to be taken for a slip (difflib's ratio)."""

KUBERNETES_LINK: Final = re.compile(r"_(SERVICE_(HOST|PORT\w*)|PORT(_\d+_(TCP|UDP)\w*)?)$")
"""What Kubernetes injects for a Service that happens to be named avatar-something."""

PLANNED_HARMLESS: Final = frozenset({"REDIS_URL"})
"""Settings that will exist; the start says in one line that they have no effect yet."""


LIBRARIES: Final = ("OTEL_",)
"""Names that are not ours, but those of a library that reads the environment for itself."""


class SettingsError(Exception):
    """A setting is missing, unknown or malformed; the message is one line that names the fix."""


class FileSource(PydanticBaseSettingsSource):
    """Reads `NAME_FILE`, the path of a mounted secret, as the value of `NAME`."""

    def __init__(
        self, settings_cls: type[BaseSettings], variables: Mapping[str, str | None]
    ) -> None:
        super().__init__(settings_cls)
        self._variables = {name.upper(): value for name, value in variables.items() if value}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base class's signature
        """The content of the file that `NAME_FILE` names, without the white space around it."""
        name = field_name.upper()
        path = self._variables.get(f"{name}_FILE")
        if path is None:
            return None, field_name, False
        if name in self._variables:
            raise SettingsError(f"{name} and {name}_FILE are both set: unset one of them")
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{name}_FILE can't be read ({type(error).__name__}): name a readable text file"
            ) from error

    def __call__(self) -> dict[str, Any]:
        """Every value that is held in a file."""
        values = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in values.items() if value}


def reject_unknown(
    known: Iterable[str], environ: Mapping[str, str], dotenv: Mapping[str, str | None]
) -> list[str]:
    """The names that are set but have no effect yet; raises `SettingsError` on unknown names."""
    names = {name.upper() for name in known}
    names |= {f"{name}_FILE" for name in names}
    without_effect = []
    for name, value in sorted({**dotenv, **environ}.items()):
        setting = name.upper().removesuffix("_FILE")
        if name.upper() in names or not value or name.startswith(LIBRARIES):
            continue
        if setting in PLANNED_HARMLESS:
            without_effect.append(setting)
        elif name in dotenv or _is_ours(name) or _closest(name, names, MISSPELT):
            raise SettingsError(f"{name} is not a setting: {_advice(name, names)}")
    return without_effect


def lend_to_libraries(dotenv: Mapping[str, str | None], environ: MutableMapping[str, str]) -> None:
    """Put what `.env` holds for libraries where they look; what is there already wins."""
    for name, value in dotenv.items():
        if value and name.startswith(LIBRARIES):
            environ.setdefault(name, value)


def _is_ours(name: str) -> bool:
    return name.startswith(OWN_PREFIXES) and not KUBERNETES_LINK.search(name)


def _closest(name: str, known: Iterable[str], cutoff: float) -> str | None:
    close = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return close[0] if close else None


def _advice(name: str, known: Iterable[str]) -> str:
    close = _closest(name.upper(), known, 0.6)
    return f"did you mean {close}?" if close else "see .env.example for those that exist"
