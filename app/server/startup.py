"""The report of an application's start: an announcement, or one line that says why it failed."""

import logging
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config.sources import SettingsError


class Startup:
    """Wraps an application, and keeps the `SettingsError` that its lifespan failed with.

    `announce` is called when the application has started, before it is served.
    """

    def __init__(self, app: ASGIApp, announce: Callable[[], None]) -> None:
        self._app = app
        self._announce = announce
        self._failure: SettingsError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        failed: Message | None = None

        async def announced(message: Message) -> None:
            nonlocal failed
            if message["type"] == "lifespan.startup.failed":
                failed = message  # held back until the exception shows its reason
                return
            if message["type"] == "lifespan.startup.complete":
                self._announce()
            await send(message)

        try:
            await self._app(scope, receive, announced)
        except SettingsError as error:
            self._failure = error
            # uvicorn would log lines of its own besides the one that names the fix.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
            await send({"type": "lifespan.startup.failed"})
        except BaseException:
            if failed is not None:
                await send(failed)
            raise

    def raise_failure(self) -> None:
        """Raise the `SettingsError` that the start failed with, if there is one."""
        if self._failure is not None:
            raise self._failure
