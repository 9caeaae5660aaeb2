"""The cost of a speak through the broker, compared with the same call sent directly to Kaltura.

Run by `make bench`, on loopback, with 32 sessions and a fixed number of calls. The calls of one
session go one after the other, so each connection has a session of its own.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import aiohttp

from bench.processes import free_port, process, wait_until_ready

SESSIONS: Final = 32
CALLS_EACH: Final = 100
ROUNDS: Final = 3
SAID: Final = {"text": "Hello, I am an avatar.", "turnId": "turn-1", "isFinal": True}

Target = tuple[str, dict[str, str]]


async def main() -> None:
    """Print calls a second and milliseconds, directly and through the broker, and the ratio."""
    kaltura, broker = free_port(), free_port()
    base_url = f"http://127.0.0.1:{kaltura}/v1/avatar-session"
    settings = {
        "AVATAR_BASE_URL": base_url,
        "AVATAR_KS": "bench",
        "AVATAR_ID": "bench",
        "MAX_CONCURRENT_SESSIONS": str(SESSIONS),
        "CREATE_RATE_LIMIT": "1000000/minute",
        "SPEAK_RATE_LIMIT": "1000000/minute",
        "ADDRESS_SHARE_PERCENT": "100",
    }
    with (
        tempfile.TemporaryDirectory() as directory,
        process(Path(directory), "-m", "bench.kaltura_stub", str(kaltura)),
        process(Path(directory), "-m", "app", "serve", "--port", str(broker), **settings),
    ):
        await wait_until_ready(f"http://127.0.0.1:{broker}/healthz")
        straight = [(f"{base_url}/bench/say-text", {"Authorization": "Bearer bench"})] * SESSIONS
        through = [await _open_session(broker) for _ in range(SESSIONS)]
        best: dict[str, float] = {}
        for _ in range(ROUNDS):
            for name, targets in (("straight", straight), ("through the broker", through)):
                rate, times = await _round(targets)
                best[name] = max(best.get(name, 0), rate)
                p99 = quantiles(times, n=100)[-1]
                print(f"{name:>20}: {rate:6.0f}/s  p50 {median(times):5.1f} ms  p99 {p99:5.1f} ms")
    print(f"ratio of the best: {best['through the broker'] / best['straight']:.2f}")


async def _open_session(port: int) -> Target:
    broker = f"http://127.0.0.1:{port}/api"
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{broker}/create-avatar-session") as answer,
    ):
        session = await answer.json()
    speak = f"{broker}/avatar-sessions/{session['sessionId']}/speak"
    return speak, {"Authorization": f"Bearer {session['token']}"}


async def _round(targets: list[Target]) -> tuple[float, list[float]]:
    """Make all calls; returns the calls a second, and the milliseconds of each."""
    times: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=SESSIONS)) as http:

        async def visitor(url: str, headers: dict[str, str]) -> None:
            for _ in range(CALLS_EACH):
                started = time.perf_counter()
                async with http.post(url, json=SAID, headers=headers, raise_for_status=True) as got:
                    await got.read()
                times.append((time.perf_counter() - started) * 1000)

        started = time.perf_counter()
        await asyncio.gather(*(visitor(*target) for target in targets))
        return len(times) / (time.perf_counter() - started), times


if __name__ == "__main__":
    asyncio.run(main())
