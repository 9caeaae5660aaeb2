"""The base class of problems."""

from typing import Any, ClassVar


class Problem(Exception):  # noqa: N818 - "problem" is RFC 9457's term
    """An error that is answered as `application/problem+json` (RFC 9457).

    `detail` defaults to the class's `meaning`, and `status` to its `status`; `retry_after` is in
    seconds, and `extensions` are further members of the document.
    """

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
        """The headers of the answer besides its content type."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}

    def as_dict(self, request_id: str) -> dict[str, Any]:
        """The problem+json document; `request_id` is its member `requestId`."""
        return {
            "type": f"/problems/{self.name}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "requestId": request_id,
            **self.extensions,
        }
