"""The header `Idempotency-Key`, by which a repeated call is recognised."""

from typing import Annotated, Any

from fastapi import Header


def _key(description: str) -> Any:
    return Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description=description,
    )


CreateKey = Annotated[
    str | None, _key("One click, one key: the same key is answered with the same session")
]
SpeakKey = Annotated[
    str | None, _key("One key for each speak: sent again, it is answered alike and said once")
]
