"""The turns that a session's earlier processes were asked to say, and their outcomes."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import TypeAdapter

from app.audit.model import OK, PENDING, UNKNOWN, Entry
from app.kaltura.contract import TurnId
from app.problems import InvalidRequest, OutcomeUnknown, ReplicaUnavailable, SpeechRefused
from app.sessions.speech.idempotency import SpeakContent
from app.sessions.speech.text.validation import speakable
from app.sessions.speech.utterances import Receipt, UtteranceState
from app.sessions.store.model import AvatarSession

RECEIPTS: Final = TypeAdapter(list[Receipt])

REPLICA_LOST: Final = "replica-lost"
"""The reason of utterances that were not said, or not to their end, as their process is gone."""


_NOT_SENT: Final = {REPLICA_LOST, ReplicaUnavailable.name}
"""The outcomes of texts that only waited until their process had the session no more."""


class EarlierTurns:
    """The turns of a session's earlier processes, from what they handed over and from the record.

    A process that was killed has handed nothing over. A turn that has no outcome on record then
    counts as lost: it may have reached Kaltura, so it is not said again.
    """

    def __init__(self, session: AvatarSession) -> None:
        self._session_id = session.session_id
        self._recorded = dict(_recorded_turns(session.speaks))
        handed_over = RECEIPTS.validate_json(session.utterances) if session.utterances else []
        self._receipts = {receipt.turn_id: receipt for receipt in handed_over}
        for turn_id, entries in self._recorded.items():
            known = self._receipts.get(turn_id)
            if known is None or entries[-1].at > (known.ended_at or known.queued_at):
                self._receipts[turn_id] = _receipt(turn_id, entries)

    @property
    def receipts(self) -> list[Receipt]:
        """Every turn that is known, those that were handed over first."""
        return list(self._receipts.values())

    def has_key(self, idempotency_key: str) -> bool:
        """Whether a speak with this Idempotency-Key, and without a turn id, is known."""
        # Most sessions have no earlier process, and then the key's digest is not worth making.
        return bool(self._recorded) and (
            turn_id_of(self._session_id, idempotency_key) in self._recorded
        )

    def answer_to(self, speak: SpeakContent, idempotency_key: str | None) -> Receipt | None:
        """The answer to a speak that an earlier process had; None for one to be carried out.

        Raises `OutcomeUnknown` for one that failed, and of which a part may have been said.
        """
        if not self._recorded:
            return None
        turn_id = speak.ends_turn
        by_key = idempotency_key is not None and speak.turn_id is None
        if by_key and idempotency_key is not None:
            turn_id = turn_id_of(self._session_id, idempotency_key)
        entries = self._recorded.get(turn_id) if turn_id is not None else None
        if turn_id is None or entries is None:
            return None
        last = entries[-1]
        if not by_key and not _is_same(speak, last):
            return None
        if any(entry.outcome in _NOT_SENT and not entry.upstream_status for entry in entries):
            return None
        receipt = self._receipts[turn_id]
        if receipt.state == UtteranceState.FAILED:
            raise OutcomeUnknown
        return receipt


def turn_id_of(session_id: str, idempotency_key: str) -> TurnId:
    """The turn id of a speak that names none, so that each process knows its repeats by it."""
    digest = hashlib.sha256(f"{session_id}\0{idempotency_key}".encode()).hexdigest()
    return f"turn-{digest[:24]}"


def _recorded_turns(speaks: Sequence[Entry]) -> Iterator[tuple[TurnId, list[Entry]]]:
    """The entries of each turn; those of an earlier turn with the same id are left out."""
    turns: dict[TurnId, list[Entry]] = {}
    for entry in speaks:
        turn_id = entry.detail.get("turnId")
        if turn_id is None or entry.outcome == SpeechRefused.name:
            continue
        before = turns.pop(turn_id, [])
        is_over = not before or _is_final(before[-1])
        turns[turn_id] = [entry] if is_over else [*before, entry]
    yield from turns.items()


def _is_final(entry: Entry) -> bool:
    return entry.detail.get("isFinal") is not False


def _receipt(turn_id: TurnId, entries: Sequence[Entry]) -> Receipt:
    state, reason = _fate({entry.outcome: None for entry in entries})
    text = "".join(entry.text for entry in entries if entry.text)
    return Receipt(turn_id, text, state, queued_at=entries[0].at, reason=reason)


def _fate(outcomes: dict[str, None]) -> tuple[UtteranceState, str | None]:
    """The state of a turn whose calls have these outcomes, and its reason."""
    if not outcomes.keys().isdisjoint({PENDING, UNKNOWN}):
        return UtteranceState.FAILED, REPLICA_LOST
    problems = [each for each in outcomes if each not in {OK, UtteranceState.INTERRUPTED}]
    if problems:
        return UtteranceState.FAILED, problems[0]
    if UtteranceState.INTERRUPTED in outcomes:
        return UtteranceState.INTERRUPTED, None
    return UtteranceState.DONE, None


def _is_same(speak: SpeakContent, last: Entry) -> bool:
    """Whether a speak may be the one of an entry; a text that was not kept can't be compared."""
    if speak.kind.value != last.event.value or not _is_final(last):
        return False
    asked = last.detail.get("asked", last.text)
    if not isinstance(asked, str) or speak.text is None:
        return True
    with contextlib.suppress(InvalidRequest):
        return speakable(speak.text, len(speak.text)) == asked
    return False
