"""The start of an application: announced when it is done, and told in one line when it fails."""

import logging
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config.sources import SettingsError


class Startup:
    """Serves as the application, and remembers the setting that its lifespan could not start with.

    `announce` is called when the application has started, before it is served.
    """

    def __init__(self, app: ASGIApp, announce: Callable[[], None]) -> None:
        self._app = app
        self._announce = announce
        self._mistake: SettingsError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        failure: Message | None = None

        async def announced(message: Message) -> None:
            nonlocal failure
            if message["type"] == "lifespan.startup.failed":
                failure = message  # its reason is not known yet
                return
            if message["type"] == "lifespan.startup.complete":
                self._announce()
            await send(message)

        try:
            await self._app(scope, receive, announced)
        except SettingsError as mistake:
            self._mistake = mistake
            # uvicorn adds lines of its own to the one that names the fix.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
            await send({"type": "lifespan.startup.failed"})
        except BaseException:
            if failure is not None:
                await send(failure)
            raise

    def require(self) -> None:
        """Raises the `SettingsError` that the application could not start with, if there is one."""
        if self._mistake is not None:
            raise self._mistake
