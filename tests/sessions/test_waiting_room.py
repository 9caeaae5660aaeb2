"""The line before the avatars."""

import pytest

from app.sessions.capacity.waiting_room import ABSENT_SECONDS, TURN_SECONDS, Ticket, WaitingRoom
from tests.support.doubles import FakeClock


@pytest.fixture
def room(clock: FakeClock) -> WaitingRoom:
    return WaitingRoom(size=3, clock=clock)


def joined(room: WaitingRoom, *names: str) -> list[Ticket]:
    return [room.join(name, name) for name in names]


def called(room: WaitingRoom, *tickets: Ticket) -> list[bool]:
    return [room.turn_seconds_left(ticket) is not None for ticket in tickets]


def test_who_comes_first_is_called_first(room: WaitingRoom) -> None:
    a, b, c = joined(room, "a", "b", "c")
    assert [room.position(ticket) for ticket in (a, b, c)] == [1, 2, 3]
    assert room.advance(2)
    assert called(room, a, b, c) == [True, True, False]


def test_no_more_are_called_than_there_are_places(room: WaitingRoom) -> None:
    a, b, _ = joined(room, "a", "b", "c")
    room.advance(1)
    assert not room.advance(1), "the one place is promised already"
    assert called(room, a, b) == [True, False]


def test_nobody_is_called_when_there_are_fewer_places_than_none(room: WaitingRoom) -> None:
    (a,) = joined(room, "a")
    assert not room.advance(-1)
    assert called(room, a) == [False]


def test_a_turn_that_is_not_taken_goes_to_the_next(room: WaitingRoom, clock: FakeClock) -> None:
    a, b = joined(room, "a", "b")
    room.advance(1)
    clock.advance(TURN_SECONDS - 1)
    assert room.turn_seconds_left(a) == 1
    room.asked(b)
    room.advance(1)
    assert called(room, a, b) == [True, False]
    clock.advance(1)
    room.asked(a)  # asking is not taking
    assert room.advance(1)
    assert room.ticket(a.ticket_id) is None
    assert called(room, b) == [True]


def test_who_does_not_ask_for_long_is_gone(room: WaitingRoom, clock: FakeClock) -> None:
    a, b = joined(room, "a", "b")
    clock.advance(ABSENT_SECONDS - 1)
    room.asked(b)
    assert not room.advance(0)
    clock.advance(1)
    assert room.advance(0)
    assert room.ticket(a.ticket_id) is None
    assert room.position(b) == 1


def test_leaving_frees_the_place(room: WaitingRoom) -> None:
    a, b, _ = joined(room, "a", "b", "c")
    full = [room.is_full]
    room.leave(a)
    assert [*full, room.is_full] == [True, False]
    assert room.position(b) == 1


def test_who_had_their_turn_already_is_the_first_again(room: WaitingRoom) -> None:
    (a,) = joined(room, "a")
    back = room.join("back", "back", first=True)
    assert (room.position(back), room.position(a)) == (1, 2)


def test_tickets_cannot_be_guessed(room: WaitingRoom) -> None:
    a, b = joined(room, "a", "b")
    assert a.ticket_id != b.ticket_id
    assert len(a.ticket_id) * 6 >= 128
    assert room.ticket("") is None


def test_everyone_has_one_place(room: WaitingRoom) -> None:
    a, _ = joined(room, "a", "b")
    assert room.ticket_of("a") is a
    assert room.ticket_of("c") is None


def test_a_turn_whose_place_is_gone_waits_for_the_next_place(
    room: WaitingRoom, clock: FakeClock
) -> None:
    a, b, c = joined(room, "a", "b", "c")
    room.advance(2)
    assert room.advance(1)
    assert called(room, a, b, c) == [True, False, False]
    clock.advance(TURN_SECONDS)
    room.asked(b)
    room.advance(1)
    assert room.turn_seconds_left(b) == TURN_SECONDS, "its time begins anew"


def test_who_had_their_turn_already_comes_back_behind_those_who_came_back_before(
    room: WaitingRoom,
) -> None:
    (a,) = joined(room, "a")
    back = [room.join(name, name, first=True) for name in ("first", "second")]
    assert [room.position(ticket) for ticket in (*back, a)] == [1, 2, 3]


def test_a_ticket_may_be_any_text(room: WaitingRoom) -> None:
    joined(room, "a")
    assert room.ticket("ä") is None
