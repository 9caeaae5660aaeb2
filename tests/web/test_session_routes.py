"""Which calls are passed on to the replica that has their session, and which of them twice."""

from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.middleware import Middleware

from app.main import create_app
from app.web.middleware.event_relay import MAX_EVENT_BYTES, EventRelay, EventTooLongError
from app.web.middleware.forwarding import ForwardedCalls, SessionForwarding
from app.web.middleware.session_routes import SessionRoutes, is_repeatable
from app.web.routes import ROUTERS
from tests.support.doubles import settings

ROUTES = [each for router in ROUTERS for each in router.routes if isinstance(each, APIRoute)]

ONCE = {"heard", "leave", "say-audio", "say-text", "speak", "speak-audio"}
"""The last segments of calls that are never sent a second time."""


def scope(path: str, method: str = "POST") -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "headers": []}


def test_every_route_with_a_session_in_its_path_is_passed_on() -> None:
    routes = SessionRoutes(ROUTERS)
    own = [route for route in ROUTES if "sessionid" in route.path.lower()]
    assert len(own) > 18
    for route in own:
        path = route.path.format(sessionId="session-1", turnId="turn-1")
        method = min(route.methods or ())
        assert routes.session_id(path) == "session-1"
        assert routes.route(scope(path, method)) is route


def test_no_other_call_is_looked_up() -> None:
    routes = SessionRoutes(ROUTERS)
    for route in ROUTES:
        if "{sessionId}" not in route.path:
            path = route.path.replace("{", "").replace("}", "")
            for method in route.methods or ():
                assert routes.route(scope(path, method)) is None, path
    state = "/api/avatar-sessions/"
    for odd in ("%", "a b", "a\0", "ä", "", "..", ".a", "a" * 129, "a\n"):
        assert routes.route(scope(f"{state}{odd}", "GET")) is None, odd
    assert routes.route(scope(f"{state}session-1/keep-alive", "GET")) is None  # it is 405 anywhere
    assert routes.route(scope(f"{state}session-1", "HEAD")) is not None


def test_a_call_is_sent_again_only_where_that_does_no_harm() -> None:
    for route in SessionRoutes(ROUTERS).routes:
        path = route.path.format(sessionId="session-1", turnId="turn-1")
        method = min(route.methods or ())
        is_once = method != "GET" and path.rpartition("/")[2] in ONCE
        assert is_repeatable(scope(path, method)) is not is_once, path


def middleware(**changes: Any) -> set[Any]:
    app = create_app(settings(**changes))
    assert all(isinstance(each, Middleware) for each in app.user_middleware)
    return {each.cls for each in app.user_middleware}


def test_a_process_on_sqlite_passes_nothing_on_and_looks_for_nothing() -> None:
    both = {ForwardedCalls, SessionForwarding}
    assert not both & middleware()
    assert both <= middleware(database_url="postgresql://broker@127.0.0.1:1/none")


# Server-sent events


def test_events_pass_whole_and_the_last_id_is_known() -> None:
    relay = EventRelay()
    stream = b"retry: 1\n\nid: a-1\ndata: x\n\nevent: utterance\nid: a-2\ndata: id: 7\n\n: no\n\n"
    passed = b"".join(relay.whole_events(bytes([byte])) for byte in stream)
    assert passed == stream
    assert relay.last_id == b"a-2"
    assert relay.whole_events(b"id: a-3\ndata: ha") == b""
    relay.begin_again()
    assert relay.whole_events(b"id: b-1\n\n") == b"id: b-1\n\n"
    assert relay.last_id == b"b-1"


def test_an_event_that_never_ends_is_not_kept() -> None:
    relay = EventRelay()
    relay.whole_events(b"a" * MAX_EVENT_BYTES)
    with pytest.raises(EventTooLongError):
        relay.whole_events(b"a")
