"""The page's scripts, styles and pictures."""

from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles


class Assets(StaticFiles):
    """Static files that a browser keeps, and asks about each time whether they have changed."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The file, or 304; Starlette's own, with our caching."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response
