"""A shop whose server opens the avatar's session, and decides what is said."""

import os
from typing import Any
from urllib.parse import quote

import httpx
from flask import Flask, Response, request, send_from_directory

app = Flask(__name__)
broker = httpx.Client(
    base_url="http://127.0.0.1:8000/api",
    headers={"Authorization": f"Bearer {os.environ['SERVICE_TOKEN']}"},
)


@app.get("/")
def page() -> Response:
    return send_from_directory(app.root_path, "index.html")


@app.post("/session")
def open_session() -> tuple[Any, int]:
    """Put this behind your login: every call spends your minutes."""
    wish = request.get_json()
    key = {"Idempotency-Key": wish.pop("idempotencyKey")}
    answer = broker.post("/create-avatar-session", json=wish, headers=key)
    return answer.json(), answer.status_code


@app.post("/parcel")
def tell_of_parcel() -> tuple[Any, int]:
    """Put this behind your login too, and only for a session that this visitor was given."""
    session = quote(request.get_json()["sessionId"], safe="")
    told = {"text": "Your parcel is on its way."}
    answer = broker.post(f"/avatar-sessions/{session}/speak", json=told)
    return answer.json(), answer.status_code
