"""What is known of the open sessions without looking at each."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median_low
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from app.kaltura.client import SessionAccess
from app.sessions.capacity.wait_estimate import WaitEstimate
from app.sessions.runtime import SessionRuntime
from app.sessions.store.model import WATCHED_SECONDS, AvatarSession, EndReason
from app.sessions.store.session_index import SessionIndex, TimeOrder
from tests.support.doubles import FakeClock, FakeKaltura
from tests.support.sessions import Domain

NOW = 1_800_000_000.0
MAX_SECONDS, IDLE_SECONDS = 900, 90

OWNERS, ADDRESSES, TOKENS = ("ann", "bob"), ("192.0.2.1", "192.0.2.2", None), ("one", "two")

moments = st.sampled_from([-120.0, -30.0, 0.0, 0.5, 60.0]).map(lambda seconds: NOW + seconds)

sessions = st.builds(
    lambda **fields: AvatarSession(**fields),  # noqa: PLW0108 - else all other fields are made up
    access=st.builds(
        SessionAccess,
        st.sampled_from(["1", "2", "3", "4"]),
        st.sampled_from(TOKENS).map(SecretStr),
        st.sampled_from([None, None, "https://another.test"]),
    ),
    owner=st.sampled_from(OWNERS),
    address=st.sampled_from(ADDRESSES),
    opened_at=st.sampled_from([0.0, 4.0, 5.0, 30.5, 119.0, 600.0]).map(lambda age: NOW - age),
    expires_at=moments | st.just(NOW + MAX_SECONDS),
    token_expires_at=st.just(math.inf),
    seen_at=st.none() | moments,
    ready=st.booleans(),
)

changes = st.one_of(
    st.fixed_dictionaries({"seen_at": moments}),
    st.fixed_dictionaries({"leaves_at": st.none() | moments}),
    st.fixed_dictionaries({"budget_check_at": moments}),
    st.fixed_dictionaries({"end_again_at": moments}),
    st.just({"ended": EndReason.VISITOR}),
    st.just({"ended_upstream": True}),
)


@dataclass(frozen=True)
class Counted:
    """All that is asked, counted anew from every session."""

    sessions: list[AvatarSession]

    @property
    def here(self) -> list[AvatarSession]:
        return [each for each in self.sessions if not each.is_elsewhere]

    @property
    def live(self) -> list[AvatarSession]:
        return [each for each in self.sessions if each.ended is None]

    def live_here_by(self, name: str) -> list[tuple[float, str]]:
        here = [each for each in self.here if each.ended is None]
        return in_order(here, lambda session: getattr(session, name))

    def ending(self) -> list[tuple[float, str]]:
        return in_order([s for s in self.here if s.ended is not None], lambda s: s.end_again_at)

    def elsewhere(self) -> list[tuple[float, str]]:
        away = [session for session in self.sessions if session.is_elsewhere]
        return in_order(away, lambda s: s.end_again_at if s.ended else -math.inf)


def in_order(
    sessions: list[AvatarSession], time: Callable[[AvatarSession], float | None]
) -> list[tuple[float, str]]:
    times = ((time(session), session.session_id) for session in sessions)
    return sorted((at, session_id) for at, session_id in times if at is not None)


def told(order: TimeOrder) -> list[tuple[float, str]]:
    return [(at, runtime.session_id) for at, runtime in order]


@given(steps=st.lists(st.tuples(sessions, st.lists(changes, max_size=4)), max_size=8))
async def test_the_index_knows_what_a_count_of_every_session_finds(
    steps: list[tuple[AvatarSession, list[dict[str, Any]]]],
) -> None:
    registry = Domain(FakeKaltura(), FakeClock(NOW)).registry
    for session, series in steps:
        registry.add(session)
        for each in series:
            runtime = await registry.find(session.session_id)
            assert runtime is not None
            await registry.update(runtime, **each)
            index, counted = registry.index, Counted(registry.sessions())
            assert index.open == len(counted.sessions)
            assert index.live == len(counted.live)
            assert index.places == len(counted.here)
            owners = Counter(one.owner for one in counted.live)
            assert {owner: index.live_count_of(owner) for owner in OWNERS} == {
                owner: owners[owner] for owner in OWNERS
            }
            for owner in OWNERS:
                own = {one.session_id for one in counted.live if one.owner == owner}
                assert {one.session_id for one in index.live_of(owner)} == own
            addresses = Counter(one.address for one in counted.here)
            assert [index.places_at(one) for one in ADDRESSES] == [
                addresses[one] for one in ADDRESSES
            ]
            tokens = {one.access.token.get_secret_value() for one in counted.sessions}
            assert {one for one in (*TOKENS, "") if index.has_token(one)} == tokens
            assert told(index.opened) == counted.live_here_by("opened_at")
            assert told(index.expiring) == counted.live_here_by("expires_at")
            assert told(index.leaving) == counted.live_here_by("leaves_at")
            assert told(index.seen) == counted.live_here_by("seen_at")
            assert told(index.budgeted) == counted.live_here_by("budget_check_at")
            assert told(index.ending) == counted.ending()
            assert told(index.elsewhere) == counted.elsewhere()
            for at in (NOW, NOW + WATCHED_SECONDS, NOW + 1000):
                unwatched = [one for one in counted.here if one.ended is None]
                ids = {one.session_id for one in unwatched if not one.is_watched(at)}
                assert {one.session_id for one in index.unwatched(at)} == ids


@given(ages=st.lists(st.integers(0, 5)), after=st.integers(-1, 6), until=st.integers(-1, 6))
def test_an_order_tells_what_is_due_up_to_the_very_moment(
    ages: list[int], after: int, until: int
) -> None:
    order = TimeOrder()
    for number, age in enumerate(ages):
        order.move(runtime_of(str(number)), None, float(age))
    due = sorted(age for age in ages if age <= until)
    assert len(order.until(until)) == len(due)
    assert [at for at, _ in order.between(after, until)] == [age for age in due if age > after]


@given(
    open_sessions=st.lists(sessions, min_size=1, max_size=6),
    ended=st.lists(st.booleans(), min_size=6, max_size=6),
    leaving=st.lists(st.none() | moments, min_size=6, max_size=6),
    lengths=st.lists(st.sampled_from([5.0, 30.0, 31.0, 120.0, 900.0, 901.0]), max_size=5),
)
def test_the_estimate_is_as_good_as_if_every_session_was_looked_at(
    open_sessions: list[AvatarSession],
    ended: list[bool],
    leaving: list[float | None],
    lengths: list[float],
) -> None:
    index, clock = SessionIndex(), Domain(FakeKaltura(), FakeClock(NOW)).clock
    estimate = WaitEstimate(index, max_seconds=MAX_SECONDS, idle_seconds=IDLE_SECONDS, clock=clock)
    for length in lengths:
        estimate.learn(open_sessions[0]._replace(opened_at=NOW, ended_at=NOW + length))
    places = []
    for number, session in enumerate(open_sessions):
        runtime = runtime_of(str(number))
        runtime.session = session._replace(
            access=replace(session.access, session_id=str(number)),
            expires_at=min(session.expires_at, session.opened_at + MAX_SECONDS),
            ended=EndReason.VISITOR if ended[number] else None,
            leaves_at=leaving[number],
        )
        index.change(runtime, None, runtime.session)
        if not session.is_elsewhere:
            places.append(seconds_left(runtime.session, lengths))
    for position, left in enumerate(sorted(places), 1):
        assert estimate.seconds(position, len(places)) == max(1, round(left))
    if places:
        again = min(places) + length_at(0, lengths)
        assert estimate.seconds(len(places) + 1, len(places)) == max(1, round(again))
    else:
        assert estimate.seconds(1, 0) == 1


def seconds_left(session: AvatarSession, lengths: list[float]) -> float:
    if session.ended is not None:
        return max(0.0, session.end_again_at - NOW)
    ends = [session.expires_at, session.opened_at + length_at(NOW - session.opened_at, lengths)]
    if session.leaves_at is not None:
        ends.append(session.leaves_at)
    if session.seen_at is not None and NOW - session.seen_at >= WATCHED_SECONDS:
        ends.append(session.seen_at + IDLE_SECONDS)
    return max(0.0, min(ends) - NOW)


def length_at(age: float, lengths: list[float]) -> float:
    longer = (min(length, MAX_SECONDS) for length in lengths if length > age)
    return median_low([*longer, MAX_SECONDS])


def runtime_of(session_id: str) -> SessionRuntime:
    access = SessionAccess(session_id, SecretStr("token"))
    return SessionRuntime(
        AvatarSession(access, "ann", NOW, NOW + 900, NOW + 900, seen_at=None, ready=True)
    )
