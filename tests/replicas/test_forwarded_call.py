"""The header by which one replica tells another of a call."""

import pytest

from app.replicas.forwarded_call import (
    VALID_SECONDS,
    ForwardedCall,
    ForwardedCallHeader,
    MisdirectedError,
)
from tests.support.doubles import FakeClock

CALL = ForwardedCall(("203.0.113.7", 4711), "https", ("visitor-1", "Zoë"))
REQUEST = b"POST /api/avatar-sessions/session-1/speak?a=b"


def header(clock: FakeClock, *keys: bytes) -> ForwardedCallHeader:
    return ForwardedCallHeader(keys or (b"key",), clock)


def test_what_is_signed_is_read_with_any_of_the_keys(clock: FakeClock) -> None:
    for call in (CALL, ForwardedCall(None, "http")):
        value = header(clock, b"new", b"old").sign(call, target="owner", request=REQUEST)
        for keys in ((b"new",), (b"newer", b"new")):
            assert header(clock, *keys).read(value, target="owner", request=REQUEST) == call


def test_what_no_replica_has_signed_is_nothing(clock: FakeClock) -> None:
    mine = header(clock)
    value = mine.sign(CALL, target="owner", request=REQUEST)
    forged = header(clock, b"guess").sign(CALL, target="owner", request=REQUEST)
    payload, _, signature = value.partition(b".")
    other, _, _ = forged.partition(b".")
    for bad in (
        *(forged, b"", b".", payload, b"." + signature, value[:-1], value + b"0", b"\xff.\xff"),
        mine.sign(CALL, target="other", request=REQUEST).partition(b".")[0] + b"." + signature,
        other + b"." + signature[::-1],
    ):
        assert mine.read(bad, target="owner", request=REQUEST) is None


@pytest.mark.parametrize(
    ("seconds", "target", "request_line"),
    [
        (VALID_SECONDS + 1, "owner", REQUEST),
        (-VALID_SECONDS - 1, "owner", REQUEST),
        (0, "other", REQUEST),
        (0, "owner", REQUEST.replace(b"session-1", b"session-2")),
        (0, "owner", REQUEST.replace(b"POST", b"GET")),
    ],
)
def test_a_signature_holds_for_one_call_one_replica_and_a_short_time(
    clock: FakeClock, seconds: float, target: str, request_line: bytes
) -> None:
    value = header(clock).sign(CALL, target="owner", request=REQUEST)
    clock.advance(seconds)
    with pytest.raises(MisdirectedError):
        header(clock).read(value, target=target, request=request_line)


def test_clocks_may_differ_a_little(clock: FakeClock) -> None:
    value = header(clock).sign(CALL, target="owner", request=REQUEST)
    clock.advance(-VALID_SECONDS)
    assert header(clock).read(value, target="owner", request=REQUEST) == CALL
