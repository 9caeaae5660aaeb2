"""The base class of all problems."""

from typing import Any, ClassVar


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem, and so do we
    """An answer other than success, sent as `application/problem+json` (RFC 9457)."""

    name: ClassVar[str]
    status: int
    title: ClassVar[str]
    meaning: ClassVar[str]
    remedy: ClassVar[str]

    def __init__(
        self,
        detail: str | None = None,
        *,
        status: int | None = None,
        retry_after: int | None = None,
        **extensions: Any,
    ) -> None:
        self.detail = detail or self.meaning
        super().__init__(self.detail)
        self.status = status or type(self).status
        self.retry_after = retry_after
        self.extensions = extensions

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}

    def as_dict(self, request_id: str) -> dict[str, Any]:
        """The problem+json document."""
        return {
            "type": f"/problems/{self.name}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "requestId": request_id,
            **self.extensions,
        }
