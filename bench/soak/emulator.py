"""The emulator with room for a soak: it forgets none of its sessions, and refuses none."""

import sys
from typing import Final

from app.emulator.main import create_emulator
from app.emulator.settings import EmulatorSettings
from app.server.process import listen, serve

MANY: Final = 1_000_000


def main(port: int) -> None:
    """Serve until asked to stop."""
    settings = EmulatorSettings(max_sessions=MANY, max_ended=MANY, max_calls=MANY)
    serve(create_emulator(settings), listen("127.0.0.1", port))


if __name__ == "__main__":
    main(int(sys.argv[1]))
