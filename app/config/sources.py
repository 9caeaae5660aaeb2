"""The sources of settings: the environment, `.env` and mounted files; and unknown names."""

import difflib
import io
import os
import re
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

ENCODING: Final = "utf-8-sig"
"""UTF-8, with or without a byte-order mark."""

OWN_PREFIXES: Final = ("AVATAR_", "KALTURA_")
"""Prefixes of the broker's variables in the environment; in `.env` all are the broker's."""

MISSPELT: Final = 0.75
"""How similar each word of a name must be to a setting's to count as misspelt (difflib's ratio)."""

CALLERS: Final = frozenset({"SERVICE_TOKEN"})
"""Variables that the documents name for programs that call the broker; they are no mistake."""

KUBERNETES_LINK: Final = re.compile(r"_(SERVICE_(HOST|PORT\w*)|PORT(_\d+_(TCP|UDP)\w*)?)$")
"""Variables that Kubernetes injects for a Service whose name begins with avatar."""

WITHOUT_EFFECT: Final = frozenset({"REDIS_URL"})
"""Settings that are no mistake and do nothing: replicas share Postgres alone. The start says so."""

LIBRARIES: Final = ("OTEL_",)
"""Prefixes of variables that libraries read themselves."""

AMBIENT: Final = frozenset({"HOST", "PORT"})
"""Settings with common names: a similar variable of the environment is not taken for misspelt."""


class SettingsError(Exception):
    """Settings are missing, unknown or malformed; each of `mistakes` is a line with its fix."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class Unreadable:
    """Stands in place of a value that could not be read; `mistake` is a line with the fix."""

    mistake: str


class FileSource(PydanticBaseSettingsSource):
    """Reads `NAME_FILE`, the path of a mounted secret, as the value of `NAME`."""

    def __init__(
        self, settings_cls: type[BaseSettings], variables: Mapping[str, str | None]
    ) -> None:
        super().__init__(settings_cls)
        self._variables = {name.upper(): value for name, value in variables.items() if value}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base class's signature
        """The content of the file that `NAME_FILE` names, without the white space around it.

        `Unreadable` where there is no such file, or where `NAME` is set too.
        """
        name = field_name.upper()
        path = self._variables.get(f"{name}_FILE")
        if path is None:
            return None, field_name, False
        if name in self._variables:
            twice = Unreadable(f"{name} and {name}_FILE are both set: unset one of them")
            return twice, field_name, False
        try:
            return Path(path).read_text(encoding=ENCODING).strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            reason = type(error).__name__
            unreadable = f"{name}_FILE can't be read ({reason}): name a readable text file"
            return Unreadable(unreadable), field_name, False

    def __call__(self) -> dict[str, Any]:
        """The values of all settings that are held in files, by setting."""
        values = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in values.items() if value}


def read_env_file(path: str) -> dict[str, str | None]:
    """The names and values of an `.env`; empty where there is no such file.

    Raises `SettingsError` when it can't be read, or is not text in UTF-8.
    """
    try:
        text = Path(path).read_text(encoding=ENCODING)
    except (FileNotFoundError, IsADirectoryError):
        return {}
    except UnicodeDecodeError:
        text = "\0"
    except OSError as error:
        raise SettingsError(
            f"{path} can't be read ({type(error).__name__}): make it readable, or remove it"
        ) from error
    if "\0" in text:
        raise SettingsError(
            f"{path} is not text in UTF-8 (PowerShell's > writes UTF-16): save it as UTF-8"
        )
    return dotenv_values(stream=io.StringIO(text))


def configured(env_file: str) -> dict[str, str | None]:
    """The variables of the environment and of `.env`; the environment wins."""
    return {**read_env_file(env_file), **{n: unquoted(value) for n, value in os.environ.items()}}


def unquoted(value: str) -> str:
    """The value without the quotes around it, which `docker --env-file` and Compose lists keep."""
    quoted = re.fullmatch(r"\s*(?:\"([^\"]*)\"|'([^']*)')\s*", value)
    return value if quoted is None else quoted[1] or quoted[2] or ""


def unknown_names(
    known: Iterable[str], environ: Mapping[str, str], dotenv: Mapping[str, str | None]
) -> tuple[list[str], list[str]]:
    """A line for each unknown name that is set, and the names that have no effect."""
    names = {name.upper() for name in known}
    names |= {f"{name}_FILE" for name in names}
    mistakes, without_effect = [], []
    for name, value in sorted({**dotenv, **environ}.items()):
        setting = name.upper().removesuffix("_FILE")
        if name.upper() in names or not value or name.startswith(LIBRARIES) or setting in CALLERS:
            continue
        if setting in WITHOUT_EFFECT:
            without_effect.append(setting)
        elif name in dotenv or _is_ours(name) or _meant(name, names - AMBIENT):
            mistakes.append(f"{name} is not a setting: {_advice(name, names)}")
    return mistakes, without_effect


def export_to_libraries(
    dotenv: Mapping[str, str | None], environ: MutableMapping[str, str]
) -> None:
    """Copy the variables for libraries from `.env` to the environment, which wins."""
    for name, value in dotenv.items():
        if value and name.startswith(LIBRARIES):
            environ.setdefault(name, value)


def _is_ours(name: str) -> bool:
    return name.startswith(OWN_PREFIXES) and not KUBERNETES_LINK.search(name)


def _meant(name: str, known: Iterable[str]) -> str | None:
    """The setting that a name misspells, if any; a name with other words misspells none."""
    return next((setting for setting in known if _is_slip(name.upper(), setting)), None)


def _is_slip(name: str, setting: str) -> bool:
    if name.replace("_", "") == setting.replace("_", ""):
        return True
    ours, theirs = setting.split("_"), name.split("_")
    return len(ours) == len(theirs) and all(map(_is_like, ours, theirs))


def _is_like(one: str, other: str) -> bool:
    if one == other:
        return True
    matcher = difflib.SequenceMatcher(None, one, other)
    # From the cheapest to the dearest; each is an upper bound of the next.
    ratios = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)
    return all(ratio() >= MISSPELT for ratio in ratios)


def _advice(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else "see .env.example for those that exist"
