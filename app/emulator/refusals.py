"""Error answers in Kaltura's shape: `{"success": false, "error": "..."}`."""

from collections.abc import Mapping
from typing import Self

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.kaltura.contract import DocumentedRefusal, Refused


class RefusalError(Exception):
    """An operation that is refused, with an HTTP status and the text of `error`."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = int(status)
        self.error = error

    @classmethod
    def of(cls, refusal: DocumentedRefusal) -> Self:
        """The error for one of the documented refusals."""
        return cls(refusal.status, refusal.error)


def register_error_handlers(app: FastAPI) -> None:
    """Register handlers that answer every error in Kaltura's shape."""

    @app.exception_handler(RefusalError)
    async def refused(_: Request, error: RefusalError) -> JSONResponse:
        return _refused(error.status, error.error)

    @app.exception_handler(HTTPException)
    async def no_such_route(_: Request, error: HTTPException) -> JSONResponse:
        return _refused(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return _refused(400, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


def _refused(status: int, error: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(Refused(error=error).model_dump(), status, headers)
