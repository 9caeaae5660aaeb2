"""The static files, at versioned addresses that browsers may cache for good."""

import gzip
import hashlib
import math
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

FOR_GOOD: Final = "public, max-age=31536000, immutable"
CHECKED: Final = "no-cache"
"""The browser caches the file, and asks each time whether it has changed."""

BUNDLES: Final = "bundle"
"""The folder of the bundles that `scripts/bundle` makes, each under the name of its source."""

FOR_EVERY_ORIGIN: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""The headers of files that pages of every origin may load."""

_EMBEDDED: Final = (
    *("element/", "player/", "shared/", "bundle/element/", "bundle/player/"),
    *("embed/", "bundle/embed/"),
)
"""The folders of the modules of `<kaltura-avatar>` and its frame, and of those they import."""

LOOK_SECONDS: Final = 0.2
"""How long the version is taken to be the same: a page names several files, and to look through all
for each took six times as long as the rest of it.
"""

_VERSION: Final = re.compile(r"[0-9a-f]{16}")
_TEXT: Final = frozenset({".js", ".css", ".svg"})
_MAX_FILES: Final = 256

File = tuple[str, int, int]
"""The path of a file, the time of its change in nanoseconds, and its size in bytes."""


class PageFiles(StaticFiles):
    """Serves static files under a version that changes with any of them.

    Modules load each other by relative addresses, so all that a page loads is of one version.
    Without a version, or with another one, a file is checked for changes each time.
    """

    def __init__(self, folder: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__(directory=folder)
        self.folder: Final = folder
        self._monotonic = monotonic
        self._look_at = -math.inf
        self._files: list[File] = []
        self._version = ""

    def url(self, path: str) -> str:
        """The address of a file, or of its bundle where there is one."""
        if self._monotonic() >= self._look_at:
            self._look()
        if (self.folder / BUNDLES / path).is_file():
            path = f"{BUNDLES}/{path}"
        return f"/static/{self._version}/{path}"

    def _look(self) -> None:
        """Look whether any file has changed."""
        files = sorted(files_in(self.folder))
        if files != self._files:
            self._files, self._version = files, digest_of(files)
        self._look_at = self._monotonic() + LOOK_SECONDS

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or 304, with how long it may be kept."""
        version, _, rest = path.partition(os.sep)
        is_versioned = bool(rest) and _VERSION.fullmatch(version) is not None
        file = rest if is_versioned else path
        response = await super().get_response(file, scope)
        may_keep = is_versioned and version == self._version
        response.headers["Cache-Control"] = FOR_GOOD if may_keep else CHECKED
        if file.startswith(_EMBEDDED):
            response.headers.update(FOR_EVERY_ORIGIN)
        return response

    def unless_known(
        self, response: Response, asked: Headers, headers: Mapping[str, str]
    ) -> Response:
        """The response, or 304 for a client that has it already; both get `headers` too."""
        if self.is_not_modified(response.headers, asked):
            response = NotModifiedResponse(response.headers)
        response.headers.update(headers)
        return response

    def file_response(
        self, full_path: Any, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file, compressed where that is worth it."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        if Path(full_path).suffix not in _TEXT:
            return response
        response.headers["Vary"] = "Accept-Encoding"
        asked = Headers(scope=scope)
        if "gzip" not in asked.get("Accept-Encoding", "") or response.status_code != status_code:
            return response
        body = _compressed(full_path, stat_result.st_mtime_ns, stat_result.st_size)
        headers = {
            "Content-Encoding": "gzip",
            "ETag": etag_of(body),
            "Vary": "Accept-Encoding",
        }
        packed = Response(body, status_code, headers, response.media_type)
        if self.is_not_modified(packed.headers, asked):
            return NotModifiedResponse(packed.headers)
        return packed


def files_in(folder: Path | str) -> Iterator[File]:
    """Every file in a folder and in those below it."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from files_in(entry.path)
            else:
                stat = entry.stat()
                yield entry.path, stat.st_mtime_ns, stat.st_size


def etag_of(body: bytes) -> str:
    """The entity tag of an answer with this body."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def digest_of(files: Iterable[File]) -> str:
    """A digest of the contents of files, in this order; the same on each machine."""
    contents = b"".join(hashlib.sha256(Path(path).read_bytes()).digest() for path, *_ in files)
    return hashlib.sha256(contents).hexdigest()[:16]


@lru_cache(maxsize=_MAX_FILES)
def _compressed(path: str, _changed_at: int, _size: int) -> bytes:
    """A file as gzip, made once for each change of it."""
    return gzip.compress(Path(path).read_bytes(), compresslevel=9, mtime=0)
