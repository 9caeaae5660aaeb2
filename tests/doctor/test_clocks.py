"""The comparison of this machine's clock with Kaltura's, with the time in the test's hands."""

from email.utils import formatdate

import httpx

from app.doctor.connectivity import MAX_SKEW_SECONDS, compare_clocks
from tests.support.doubles import FakeClock


async def test_an_answer_that_takes_long_makes_no_clock_wrong(clock: FakeClock) -> None:
    async def answer(_: httpx.Request) -> httpx.Response:
        clock.advance(MAX_SKEW_SECONDS + 5)
        date = formatdate(clock(), usegmt=True)
        clock.advance(MAX_SKEW_SECONDS + 5)
        return httpx.Response(200, headers={"Date": date})

    kaltura = httpx.MockTransport(answer)
    assert await compare_clocks("https://kaltura.test", kaltura, clock, seconds=5)
