"""The middleware around every route, in its order."""

from typing import Final

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.config.settings import Settings
from app.observability.metrics import Metrics
from app.sessions.clock import Clock
from app.web.authorization import TOKEN_HEADER
from app.web.bounds import WebBounds
from app.web.middleware.bodies import BodyGuard
from app.web.middleware.forwarding import ForwardedCalls, SessionForwarding
from app.web.middleware.guards import (
    REQUEST_ID,
    CrossSiteGuard,
    HostGuard,
    RequestContext,
    SecurityHeaders,
)
from app.web.middleware.origins import HostPolicy, OriginPolicy
from app.web.middleware.proxies import SignedInByProxy, UntrustedProxyWarning
from app.web.middleware.session_routes import SessionRoutes
from app.web.visitor.identification import VISITOR_HEADER

CORS_ALLOWED: Final = (
    *("Authorization", TOKEN_HEADER, VISITOR_HEADER, "Content-Type", "Idempotency-Key", REQUEST_ID),
    # Headers that replacements of EventSource and of fetch send.
    *("Last-Event-ID", "Cache-Control", "X-Requested-With"),
    # Headers that tracing adds: W3C Trace Context and Baggage, Zipkin, Sentry.
    *("traceparent", "tracestate", "baggage", "b3", "sentry-trace"),
)
CORS_EXPOSED: Final = (
    *(REQUEST_ID, "Date", "Location", "Retry-After", "RateLimit", "RateLimit-Policy"),
)


def middleware(
    settings: Settings,
    metrics: Metrics,
    *,
    forwarded: SessionRoutes | None,
    monotonic: Clock,
    bounds: WebBounds,
) -> list[Middleware]:
    """The middleware, the outermost first.

    Calls of the routes `forwarded` are passed on between replicas; None is for a single process.
    """
    receives, passes_on = [], []
    if forwarded is not None:
        receives = [Middleware(ForwardedCalls, routes=forwarded, monotonic=monotonic)]
        passes_on = [Middleware(SessionForwarding, routes=forwarded)]
    return [
        *receives,
        *_of_proxies(settings),
        Middleware(SecurityHeaders, https=settings.is_https),
        Middleware(RequestContext, metrics=metrics, monotonic=monotonic),
        Middleware(HostGuard, policy=HostPolicy.of(settings)),
        Middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=CORS_ALLOWED,
            expose_headers=CORS_EXPOSED,
        ),
        Middleware(CrossSiteGuard, policy=OriginPolicy.of(settings)),
        Middleware(BodyGuard, max_text_length=settings.max_text_length, bounds=bounds),
        *passes_on,
    ]


def _of_proxies(settings: Settings) -> list[Middleware]:
    """The middleware that reads trusted proxies' headers, the outermost first."""
    trusted = list(settings.trusted_proxies)
    if not trusted:
        return [Middleware(UntrustedProxyWarning)]
    proxies = [Middleware(ProxyHeadersMiddleware, trusted_hosts=trusted)]
    if settings.auth_mode == "header" and settings.auth_header is not None:
        # Outermost: it needs the proxy's address, which the other replaces by the visitor's.
        sign_in = Middleware(SignedInByProxy, header=settings.auth_header, proxies=trusted)
        proxies.insert(0, sign_in)
    return proxies
