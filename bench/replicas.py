"""Replicas on this machine, on Postgres and behind HAProxy, to be looked at: `make replicas`."""

import argparse
import asyncio
import signal
import tempfile
from pathlib import Path
from typing import Final

from bench.processes import free_port, process, wait_until_ready
from tests.support.replicas import replicas

SETTINGS: Final = {
    "AVATAR_KS": "a-ks",
    "AVATAR_ID": "ada",
    "AVATAR_VOICE_ID": "emulator-voice-en-1",
    "SECRET_KEY": "a-key-for-a-look-of-at-least-32-characters",
    "OPERATOR_TOKEN": "the-operator-token-of-this-look",
}


async def main() -> None:
    """Run them, and the emulator as Kaltura, until a signal asks this process to end."""
    parser = argparse.ArgumentParser(prog="bench.replicas")
    parser.add_argument("--replicas", type=int, default=3)
    count = parser.parse_args().replicas
    asked_to_end = asyncio.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(ending, asked_to_end.set)
    with tempfile.TemporaryDirectory(prefix="replicas-") as name:
        directory, port = Path(name), free_port()
        kaltura = f"http://127.0.0.1:{port}"
        with process(directory, "-m", "bench.soak.emulator", str(port)):
            await wait_until_ready(f"{kaltura}/emulator/faults")
            async with replicas(directory, kaltura, count, **SETTINGS) as running:
                print(f"HAProxy, which asks them in turn: {running.url}")
                for number, replica in enumerate(running.each, 1):
                    pid = replica.process.pid
                    print(f"replica {number}: {replica.url}, process {pid}, log {replica.log}")
                print(f"console: {running.url}/operator, with {SETTINGS['OPERATOR_TOKEN']}")
                print(f"what Kaltura saw: {kaltura}/emulator/sessions", flush=True)
                await asked_to_end.wait()


if __name__ == "__main__":
    asyncio.run(main())
