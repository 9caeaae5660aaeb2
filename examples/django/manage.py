"""A shop whose server opens the avatar's session, and decides what is said."""

import json
import os
import secrets
import sys
from pathlib import Path
from urllib.parse import quote

import httpx
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_POST

TEMPLATES = {
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "DIRS": [Path(__file__).parent],
}
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(),
    TEMPLATES=[TEMPLATES],
)
broker = httpx.Client(
    base_url="http://127.0.0.1:8000/api",
    headers={"Authorization": f"Bearer {os.environ['SERVICE_TOKEN']}"},
)


def page(request: HttpRequest) -> HttpResponse:
    return render(request, "index.html")


def open_session(request: HttpRequest) -> JsonResponse:
    """Belongs behind your login: whoever may call this spends your minutes."""
    wish = json.loads(request.body)
    key = {"Idempotency-Key": wish.pop("idempotencyKey")}
    answer = broker.post("/create-avatar-session", json=wish, headers=key)
    return JsonResponse(answer.json(), status=answer.status_code)


def tell_of_parcel(request: HttpRequest) -> JsonResponse:
    """Belongs behind your login, and is for a session that this visitor was given."""
    session = quote(json.loads(request.body)["sessionId"], safe="")
    told = {"text": "Your parcel is on its way."}
    answer = broker.post(f"/avatar-sessions/{session}/speak", json=told)
    return JsonResponse(answer.json(), status=answer.status_code)


urlpatterns = [
    path("", page),
    path("session", require_POST(open_session)),
    path("parcel", require_POST(tell_of_parcel)),
]
execute_from_command_line(sys.argv)
