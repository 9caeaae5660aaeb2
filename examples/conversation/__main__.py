"""Starts the conversation, with a broker and a model where none is configured."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final

import httpx
import uvicorn

PORT: Final = int(os.environ.get("PORT", "8010"))
PAGE: Final = f"http://127.0.0.1:{PORT}"


@contextmanager
def own_broker() -> Iterator[None]:
    """A broker that lets this server say what is said, during the block."""
    settings = {
        "PORT": os.environ["BROKER_URL"].rpartition(":")[2],
        "SERVICE_TOKENS": f"conversation:{os.environ['SERVICE_TOKEN']}",
        "ALLOWED_ORIGINS": PAGE,
        "VISITOR_CONTROLS": "interrupt,end",
        "DATABASE_URL": "sqlite+aiosqlite:///:memory:",
    }
    command = Path(sys.executable).with_name("avatar-broker")
    with subprocess.Popen([command], env={**os.environ, **settings}) as process:
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=7)) as starting:
                starting.get(f"{os.environ['BROKER_URL']}/healthz")
            yield
        finally:
            process.terminate()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that its broker is stopped too
    broker = nullcontext if "SERVICE_TOKEN" in os.environ else own_broker
    is_scripted = os.environ.keys().isdisjoint({"OPENAI_BASE_URL", "OPENAI_API_KEY"})
    models = f"{PAGE}/scripted" if is_scripted else "https://api.openai.com/v1"
    defaults = {
        "BROKER_URL": "http://127.0.0.1:8011",
        "SERVICE_TOKEN": secrets.token_hex(16),
        "OPENAI_BASE_URL": models,
        "OPENAI_API_KEY": "none",
        "OPENAI_MODEL": "gpt-4o-mini",
    }
    os.environ.update({**defaults, **os.environ})
    with broker():
        from server import app  # which reads what was set here

        print(f"The conversation: {PAGE}", flush=True)
        uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")


main()
