"""The emulator of a soak test: with limits so high that it keeps all sessions and calls."""

import sys
from typing import Final

from app.emulator.main import create_emulator
from app.emulator.settings import EmulatorSettings
from app.server.process import listen, serve

UNLIMITED: Final = 1_000_000


def main(port: int) -> None:
    """Serve on loopback until a signal asks the process to stop."""
    settings = EmulatorSettings(max_sessions=UNLIMITED, max_ended=UNLIMITED, max_calls=UNLIMITED)
    serve(create_emulator(settings), listen("127.0.0.1", port))


if __name__ == "__main__":
    main(int(sys.argv[1]))
