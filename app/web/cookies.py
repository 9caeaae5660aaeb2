"""The broker's cookies: how they are set, read and deleted (RFC 6265)."""

from dataclasses import dataclass
from typing import Final

from fastapi import Request, Response

_WHITESPACE: Final = b" \t"


@dataclass(frozen=True)
class HostCookie:
    """A cookie that no script reads and no other host sets; `base_name` has no prefix yet.

    With `SameSite=Lax`, browsers send it when a link of another site is followed, and with no other
    request of another site's page.
    """

    base_name: str
    https: bool
    max_age: int

    @property
    def name(self) -> str:
        """`__Host-` binds it to this very host; browsers take that prefix over https alone."""
        return f"__Host-{self.base_name}" if self.https else self.base_name

    def read(self, request: Request) -> str:
        """The value as it was sent; empty when there is none, or more than one.

        Names are compared byte by byte: a neighbouring host may set a cookie whose name only looks
        the same, such as one with a no-break space before it. Of two cookies with one name, it
        can't be told which is the broker's.
        """
        name = self.name.encode()
        values = []
        for header, content in request.scope["headers"]:
            if header != b"cookie":
                continue
            for pair in content.split(b";"):
                key, _, value = pair.strip(_WHITESPACE).partition(b"=")
                if key == name:
                    values.append(value)
        return values[0].decode("latin-1") if len(values) == 1 else ""

    def set(self, response: Response, value: str) -> None:
        """Give the browser this value."""
        response.set_cookie(
            self.name,
            value,
            max_age=self.max_age,
            httponly=True,
            secure=self.https,
            samesite="lax",
        )

    def delete(self, response: Response) -> None:
        """Make the browser forget it."""
        response.delete_cookie(self.name, httponly=True, secure=self.https, samesite="lax")
