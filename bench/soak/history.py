"""What callers saw and what Kaltura saw of the same calls, and the rules that both together keep.

Times are unix seconds by one machine's clock. A mark is a word that is part of one text only, so
that the emulator's record tells when that text was said.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from bench.soak.outcome import UpstreamSession, most_at_once

SPEAK: Final = "speak"
STOP: Final = "interrupt"
END: Final = "end"
CREATE: Final = "create-avatar-session"
PLACE: Final = "waiting-room"
UTTERANCES: Final = "utterances"
CONTROLS: Final = frozenset({SPEAK, STOP, "keep-alive", UTTERANCES})

GONE: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
UNSAID: Final = frozenset({"interrupted", "failed"})
"""The fates of a text that need not have been said."""

PENDING: Final = frozenset({"queued", "speaking"})
"""The states of a text that an end of the session may cut off."""

SHOWN: Final = 3
"""How many cases of one broken rule are told in full."""


@dataclass(frozen=True)
class Call:
    """One call as its caller saw it; `status` is 0 when no answer came, and `end` when that was."""

    visitor: str
    operation: str
    start: float
    end: float
    status: int
    session_id: str = ""
    key: str = ""
    ticket: str = ""
    is_turn: bool = False
    marks: tuple[str, ...] = ()
    is_written: bool = False
    """Whether it is a text that is being written: it lasts until its queue has room for all."""

    @property
    def is_done(self) -> bool:
        """Whether the answer says that the call was carried out."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(frozen=True)
class Said:
    """A mark that reached Kaltura."""

    mark: str
    at: float


@dataclass(frozen=True)
class History:
    """All calls of one run, what became of them, and the faults that explain what was lost."""

    calls: tuple[Call, ...]
    upstream: tuple[UpstreamSession, ...]
    said: dict[str, tuple[Said, ...]]
    """By session, in the order in which Kaltura got it."""

    told: dict[str, str]
    """The last state that callers were told of the text with a mark."""

    failed_at: dict[str, float]
    """When callers were first told of the text with a mark that it had failed."""

    recorded: frozenset[str]
    """The sessions that the brokers knew of."""

    faults: tuple[tuple[float, float], ...]
    """When a create's answer could be lost: the begin and end of each fault."""

    cap: int
    session_seconds: float
    """How long a session may last at most."""

    answer_seconds: float
    """How long a broker waits for Kaltura's answer."""

    def is_unexplained(self, session: UpstreamSession) -> bool:
        """Whether no lost answer explains that the brokers do not know a session."""
        if session.session_id in self.recorded or not session.answered:
            return False
        due = session.created_at + self.answer_seconds
        return not any(begin <= due and session.created_at <= end for begin, end in self.faults)


Rule = Callable[[History], Iterator[str]]


def check(history: History, names: Iterable[str]) -> dict[str, list[str]]:
    """The broken rules of those named, each with its first cases and the number of all."""
    broken = {}
    for name in names:
        cases = list(RULES[name](history))
        if cases:
            rest = [f"{len(cases)} cases in all"] if len(cases) > SHOWN else []
            broken[name] = cases[:SHOWN] + rest
    return broken


def served(history: History) -> int:
    """The number of visitors who got a session."""
    return len(
        {call.visitor for call in history.calls if call.operation == CREATE and call.session_id}
    )


def duration_seconds(history: History) -> float:
    """The time from the first call to the last answer."""
    return max(call.end for call in history.calls) - min(call.start for call in history.calls)


def longest_gap_seconds(history: History) -> float:
    """The longest time for which a visitor could not control a session.

    It lasts from the first call that was answered late or not at all to the next answer.
    """
    longest = 0.0
    for calls in _by_session(history, CONTROLS).values():
        since = None
        for call in sorted(calls, key=lambda call: call.start):
            began = call.start if since is None else since
            is_answered = 0 < call.status < HTTPStatus.INTERNAL_SERVER_ERROR
            if call.is_written:
                continue
            if is_answered and call.status != HTTPStatus.NOT_FOUND:
                longest, since = max(longest, call.end - began), None
            else:
                since = began
    return longest


def _no_text_twice(history: History) -> Iterator[str]:
    counted = Counter(said.mark for every in history.said.values() for said in every)
    for mark, count in counted.items():
        if count > 1:
            yield f"{mark} was said {count} times"


def _texts_in_order(history: History) -> Iterator[str]:
    for session_id, speaks in _by_session(history, {SPEAK}).items():
        order = {said.mark: place for place, said in enumerate(history.said.get(session_id, ()))}
        accepted = [call for call in speaks if call.is_done]
        texts = [[order[mark] for mark in call.marks if mark in order] for call in accepted]
        for call, places in zip(accepted, texts, strict=True):
            if any(later < earlier for earlier, later in itertools.pairwise(places)):
                yield f"the sentences of {call.marks[0]} were said out of order"
        for (one, first), (two, second) in itertools.combinations(
            zip(accepted, texts, strict=True), 2
        ):
            if one.end <= two.start and first and second and max(first) > min(second):
                yield f"{two.marks[0]} was said before {one.marks[0]}"


def _accepted_texts_said_or_told(history: History) -> Iterator[str]:
    heard = {said.mark for every in history.said.values() for said in every}
    stops, ends, asked = (
        _by_session(history, {operation}) for operation in (STOP, END, UTTERANCES)
    )
    for session_id, speaks in _by_session(history, {SPEAK}).items():
        for call in filter(lambda call: call.is_done, speaks):
            unsaid = [mark for mark in call.marks if mark not in heard]
            told = {history.told.get(mark) for mark in unsaid}
            was_told = any(a.is_done and a.start >= call.end for a in asked[session_id])
            was_pending = told <= PENDING or not was_told
            was_stopped = any(stop.end >= call.start for stop in stops[session_id])
            if "done" in told:
                yield f"{unsaid[0]} was told done, and was never said"
            elif not (told <= UNSAID or was_stopped or (was_pending and ends[session_id])):
                yield f"{unsaid[0]} was accepted, and neither said nor told"


def most_open(history: History) -> int:
    """The largest number of sessions that were open at once, of those that the brokers knew of."""
    known = [s for s in history.upstream if s.session_id in history.recorded]
    return most_at_once((session.created_at, session.ended_at) for session in known)


def _cap(history: History) -> Iterator[str]:
    highest = most_open(history)
    if highest > history.cap:
        yield f"{highest} sessions were open at once, {history.cap} may be"


def _none_left_open(history: History) -> Iterator[str]:
    for session in history.upstream:
        if session.session_id in history.recorded and session.ended_at is None:
            yield f"{session.session_id} was left open"
        if history.is_unexplained(session):
            yield f"{session.session_id} is not on record, and no fault explains it"


def _line_in_order(history: History) -> Iterator[str]:
    lines: dict[str, list[Call]] = defaultdict(list)
    for call in sorted(history.calls, key=lambda call: call.start):
        if call.ticket:
            lines[call.ticket].append(call)
    called = {
        ticket: min(call.end for call in calls if call.is_turn)
        for ticket, calls in lines.items()
        if any(call.is_turn for call in calls)
    }
    for ahead, waits in lines.items():
        for ticket, at in called.items():
            is_ahead = waits[0].end <= lines[ticket][0].start
            overtaken = (w for w in waits if w.is_done and not w.is_turn and w.start >= at)
            if is_ahead and any(overtaken):
                yield f"{waits[0].visitor} ({ahead}) was overtaken by {lines[ticket][0].visitor}"


def _one_key_one_session(history: History) -> Iterator[str]:
    opened: dict[tuple[str, str], set[str]] = defaultdict(set)
    for call in history.calls:
        if call.operation == CREATE and call.status == HTTPStatus.CREATED:
            opened[call.visitor, call.key].add(call.session_id)
    for (visitor, _), sessions in opened.items():
        if len(sessions) > 1:
            yield f"{visitor} got {len(sessions)} sessions for one key"


def _nothing_said_after_stop(history: History) -> Iterator[str]:
    accepted = {
        mark: call
        for call in history.calls
        if call.operation == SPEAK and call.is_done
        for mark in call.marks
    }
    for session_id, stops in _by_session(history, {STOP, END}).items():
        for stop in filter(lambda stop: stop.is_done, stops):
            for said in history.said.get(session_id, ()):
                speak = accepted.get(said.mark)
                was_before = stop.operation == END or (speak and speak.end <= stop.start)
                if was_before and said.at > stop.end:
                    late = 1000 * (said.at - stop.end)
                    yield f"{said.mark} was said {late:.0f} ms after {stop.operation} was answered"


def _nothing_said_after_told_failed(history: History) -> Iterator[str]:
    for said in itertools.chain.from_iterable(history.said.values()):
        late = said.at - history.failed_at.get(said.mark, said.at)
        if late > 0:
            yield f"{said.mark} was said {1000 * late:.0f} ms after it was told as failed"


def _sessions_live_on(history: History) -> Iterator[str]:
    calls = _by_session(history, CONTROLS)
    ends = _by_session(history, {END, "leave"})
    opened = {
        call.session_id: call.end
        for call in history.calls
        if call.operation == CREATE and call.session_id
    }
    for session_id, controls in calls.items():
        ended = min((call.start for call in ends.get(session_id, ())), default=float("inf"))
        over = opened.get(session_id, float("inf")) + history.session_seconds
        for call in controls:
            if call.status in GONE and call.end < min(ended, over):
                yield f"{call.visitor} got {call.status} for {call.operation}, in a live session"
                break


def _by_session(history: History, operations: AbstractSet[str]) -> dict[str, list[Call]]:
    found: dict[str, list[Call]] = defaultdict(list)
    for call in history.calls:
        if call.session_id and call.operation in operations:
            found[call.session_id].append(call)
    return found


RULES: Final[dict[str, Rule]] = {
    "no-text-twice": _no_text_twice,
    "texts-in-order": _texts_in_order,
    "accepted-texts-said-or-told": _accepted_texts_said_or_told,
    "cap": _cap,
    "none-left-open": _none_left_open,
    "line-in-order": _line_in_order,
    "one-key-one-session": _one_key_one_session,
    "nothing-said-after-stop": _nothing_said_after_stop,
    "nothing-said-after-told-failed": _nothing_said_after_told_failed,
    "sessions-live-on": _sessions_live_on,
}
"""Every rule by its name; each yields a sentence for every case in which it is broken."""
