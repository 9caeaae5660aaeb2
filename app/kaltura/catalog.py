"""The client of Kaltura's catalog: the looks and voices of an account, and their pictures.

Section numbers are those of the project's factual reference of the API.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

import httpx
import structlog

from app.kaltura import errors
from app.kaltura.contract import (
    CatalogCall,
    CatalogFilter,
    CatalogItem,
    CatalogPage,
    CatalogQuery,
    ItemType,
    Pager,
)
from app.kaltura.http import (
    CREDENTIALS_REFUSED,
    KS_EXCEPTIONS,
    HttpClient,
    get_picture,
    parse_model,
    post_json,
)
from app.kaltura.ks_sources import KsSource
from app.kaltura.url_safety import is_safe_media_url

MAX_PAGES: Final = 20
"""The most pages of one type that are read: 2000 items, where accounts were seen with 36."""

MAX_PAGE_BYTES: Final = 1 << 20
MAX_PICTURE_BYTES: Final = 1 << 20

_NEWEST_FIRST: Final = "-createdAt"

log = structlog.get_logger(__name__)


class CatalogClient:
    """Reads the catalog.

    Its calls do not go through the circuit breaker: the catalog is another service than sessions,
    and one may be up while the other is down. A KS that the catalog refuses is not replaced, as it
    may still open sessions.
    """

    def __init__(self, base_url: str, ks_source: KsSource, http: HttpClient) -> None:
        """Take the Control API's `base_url`, beside which the catalog is (7)."""
        self._url = httpx.URL(urljoin(base_url.rstrip("/"), CatalogCall.LIST))
        self._ks_source = ks_source
        self._http = http

    async def items(self, kind: ItemType) -> list[CatalogItem]:
        """Every item of one type, the newest first; raises a `KalturaError`."""
        found: dict[str, CatalogItem] = {}
        seen = 0
        for _ in range(MAX_PAGES):
            query = CatalogQuery(
                filter=CatalogFilter(type_equal=kind),
                pager=Pager(offset=seen),
                order_by=_NEWEST_FIRST,
            )
            page = await self._page(query)
            seen += len(page.objects)
            for item in _items_of(page, kind):
                found.setdefault(item.item_id, item)
            if page.total_count is None:
                is_last = len(page.objects) < query.pager.limit
            else:
                is_last = seen >= page.total_count or not page.objects
            if is_last:
                break
        else:
            log.warning("the catalog has more items than are read", type=kind.value, read=seen)
        return list(found.values())

    async def _page(self, query: CatalogQuery) -> CatalogPage:
        ks = await self._ks_source.ks()
        content = query.model_dump_json(exclude_none=True).encode()
        request = post_json(self._url, f"KS {ks.get_secret_value()}", content)
        with self._http.exchange(CatalogCall.LIST, request) as exchange:
            reply = await self._http.send(exchange, CREDENTIALS_REFUSED, MAX_PAGE_BYTES)
            if reply.exception_code in KS_EXCEPTIONS:
                raise errors.CredentialsRejectedError(CatalogCall.LIST, reply.status)
            page = parse_model(CatalogPage, reply.content)
            if page is None:
                raise errors.BrokenAnswerError(CatalogCall.LIST, reply.status)
            return page


def _items_of(page: CatalogPage, kind: ItemType) -> Iterator[CatalogItem]:
    """The items of a page that are as documented, and of the type that was asked for."""
    for each in page.objects:
        item = parse_model(CatalogItem, each)
        if item is not None and item.type is kind:
            yield item


@dataclass(frozen=True)
class Picture:
    """A picture, and the media type that its first bytes tell."""

    content: bytes
    media_type: str


class PictureClient:
    """Fetches pictures from addresses that Kaltura names, none of them private.

    With `allow_private`, when the Control API itself is on loopback, they may be anywhere.
    """

    def __init__(self, http: HttpClient, *, allow_private: bool) -> None:
        self._http = http
        self._allow_private = allow_private

    def may_fetch(self, url: str) -> bool:
        """Whether the broker may request this URL."""
        return is_safe_media_url(url, allow_private=self._allow_private)

    async def fetch(self, url: str) -> Picture:
        """Fetch the picture at a URL; raises a `KalturaError`, also for other content."""
        request = _request(url) if self.may_fetch(url) else None
        if request is None:
            raise errors.BrokenAnswerError(CatalogCall.THUMBNAIL)
        with self._http.exchange(CatalogCall.THUMBNAIL, request) as exchange:
            status, content = await self._http.fetch(exchange, {}, MAX_PICTURE_BYTES)
            media_type = picture_type(content)
            if media_type is None:
                raise errors.BrokenAnswerError(CatalogCall.THUMBNAIL, status)
            return Picture(content, media_type)

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._http.transport.aclose()


def _request(url: str) -> httpx.Request | None:
    """The request for a picture; None when `url` is malformed."""
    try:
        return get_picture(url)
    except (httpx.InvalidURL, ValueError):
        return None


def picture_type(content: bytes) -> str | None:
    """The media type of a raster picture by its first bytes; None for anything else.

    SVG is not accepted: it can hold scripts.
    """
    match content[:12]:
        case head if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return "image/png"
        case head if head.startswith(b"\xff\xd8\xff"):
            return "image/jpeg"
        case head if head.startswith((b"GIF87a", b"GIF89a")):
            return "image/gif"
        case head if head[:4] == b"RIFF" and head[8:] == b"WEBP":
            return "image/webp"
        case head if head[4:] in {b"ftypavif", b"ftypavis"}:
            return "image/avif"
        case _:
            return None
