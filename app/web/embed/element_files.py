"""The module that defines `<kaltura-avatar>`: where it is, and which hash it has."""

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from app.web.static_files import BUNDLES, File, PageFiles, digest_of, files_in

ELEMENT: Final = "element/index.js"
"""The element's entry, in the folder of static files."""

_BUNDLE: Final = Path(BUNDLES) / "element"
_ENTRY: Final = "avatar.js"
"""The name under which pages of other sites load the entry."""


@dataclass(frozen=True)
class ElementRelease:
    """One bundle of the element; its version changes with any of its files, and with no other."""

    version: str
    integrity: str

    @property
    def path(self) -> str:
        """The address of this release alone, which may be kept for good."""
        return f"/embed/{self.version}/{_ENTRY}"


def release_of(assets: PageFiles) -> ElementRelease | None:
    """The release that is served; None in development, where the modules are served instead."""
    folder = assets.folder / _BUNDLE
    entry = folder / Path(ELEMENT).name
    if not entry.is_file():
        return None
    modules = (file for file in files_in(folder) if file[0].endswith(".js"))
    return _release(entry, tuple(sorted(modules)))


@lru_cache(maxsize=1)
def _release(entry: Path, files: tuple[File, ...]) -> ElementRelease:
    """The release of these files, read once for each change of any."""
    digest = hashlib.sha384(entry.read_bytes()).digest()
    return ElementRelease(
        version=digest_of(files), integrity=f"sha384-{base64.b64encode(digest).decode()}"
    )


@dataclass(frozen=True)
class Snippet:
    """The lines of HTML that show an avatar on a page: the element, or a frame with it."""

    current: str
    release: str | None
    frame: str
    scripted_frame: str


def snippet_of(origin: str, release: ElementRelease | None) -> Snippet:
    """The lines for a broker that is reached at `origin`."""
    return Snippet(
        current=_module(f'src="{origin}/{_ENTRY}"', "kaltura-avatar"),
        release=None if release is None else _pinned(origin, release),
        frame=(
            f'<iframe src="{origin}/embed" title="Avatar"\n'
            '  allow="autoplay; microphone; fullscreen" width="400" height="640"></iframe>'
        ),
        scripted_frame=_module(f'src="{origin}/avatar-frame.js"', "kaltura-avatar-frame"),
    )


def _pinned(origin: str, release: ElementRelease) -> str:
    src = f'src="{origin}{release.path}" integrity="{release.integrity}"'
    return _module(f"{src} crossorigin", "kaltura-avatar")


def _module(attributes: str, element: str) -> str:
    return f'<script type="module" {attributes}></script>\n<{element}></{element}>'


def module_path(assets: PageFiles) -> str:
    """The address of the element's module, which changes with it."""
    release = release_of(assets)
    return assets.url(ELEMENT) if release is None else release.path


def file_of(path: str, release: ElementRelease, version: str) -> str | None:
    """The static file at `/embed/{version}/{path}`; None for another release's."""
    if version != release.version:
        return None
    return str(_BUNDLE / (Path(ELEMENT).name if path == _ENTRY else path))
