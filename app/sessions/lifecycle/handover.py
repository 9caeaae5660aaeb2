"""Hands the sessions of a process that stops over to other processes, which go on with them."""

import asyncio
from typing import Final

import structlog

from app.problems import RecordUnavailable
from app.sessions.clock import Clocks
from app.sessions.registry import SessionRegistry
from app.sessions.runtime import SessionRuntime

SPEAKING_SECONDS: Final = 15.0
"""The longest that a session may finish its speech before it is handed over."""

PAUSE_SECONDS: Final = 0.1
"""Seconds between two checks of sessions that still speak or are being opened."""

log = structlog.get_logger(__name__)


class Handover:
    """Hands every session to other processes while this one still answers; only with Postgres."""

    def __init__(self, registry: SessionRegistry, clocks: Clocks) -> None:
        self._registry = registry
        self._clocks = clocks
        self.has_begun = False
        """Whether other processes exist, which are to take the sessions."""

    async def run(self) -> None:
        """Hand over each session that is silent, and after `SPEAKING_SECONDS` every other."""
        try:
            self.has_begun = await self._registry.has_peers()
            if self.has_begun:
                await self._hand_all_over(self._clocks.monotonic() + SPEAKING_SECONDS)
        except RecordUnavailable:
            log.warning("the sessions could not be handed over: the others take them over later")

    async def _hand_all_over(self, until: float) -> None:
        is_late = False
        while True:
            due = [each for each in self._own() if is_late or _is_silent(each)]
            await asyncio.gather(*(self._hand_over(each, is_late=is_late) for each in due))
            if is_late or not self._own():
                break
            await self._clocks.sleep(PAUSE_SECONDS)
            is_late = self._clocks.monotonic() >= until
        log.info("sessions were handed over", count=self._registry.handed_over_count)

    def _own(self) -> list[SessionRuntime]:
        """The sessions to be handed over: those that are over are ended here."""
        return [each for each in self._registry.runtimes() if each.session.ended is None]

    async def _hand_over(self, runtime: SessionRuntime, *, is_late: bool) -> None:
        """Hand a session over between two calls of Kaltura."""
        async with runtime.call_lock.held(bypass_limits=True):
            speech = runtime.speech
            is_due = runtime.session.ready and (is_late or _is_silent(runtime))
            if runtime.session.ended is not None or not is_due:
                return
            if speech is not None:
                speech.lose()
            utterances = runtime.session.utterances if speech is None else speech.receipts_as_json()
            await self._registry.give_up(runtime, utterances)


def _is_silent(runtime: SessionRuntime) -> bool:
    return not runtime.recordings and (runtime.speech is None or runtime.speech.is_silent)
