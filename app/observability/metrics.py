"""The metrics at `/metrics`, for Prometheus.

The values of every label are few and known beforehand: none is an id, or a text that a visitor or
Kaltura has written.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app import __version__
from app.kaltura.breaker import STATES
from app.kaltura.observation import Exchange
from app.observability.logs import dropped_lines
from app.sessions.speech.voice.tts_fallback import SpeechMode
from app.sessions.stats import SharedStats, Stats
from app.sessions.store.model import EndReason

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
PREFIX: Final = "avatar_broker"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "other"
"""The label of any other method, and of a path without a route."""

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of one application; another in the same process has its own registry."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._build = self._gauge("build_info", "What runs", "version", "python")
        self._build.labels(__version__, platform.python_version()).set(1)
        self._requests = self._counter(
            "http_requests", "Requests answered", "method", "route", "status"
        )
        self._request_seconds = self._histogram(
            "http_request_duration_seconds", "How long answers took", "method", "route"
        )
        self._problems = self._counter(
            "problems", "Requests that were answered with a problem", "route", "problem"
        )
        self._calls = self._counter(
            "kaltura_requests", "Requests to Kaltura", "operation", "outcome"
        )
        self._call_seconds = self._histogram(
            "kaltura_request_duration_seconds", "How long Kaltura's answers took", "operation"
        )
        self._forwards = self._counter(
            "forwards", "Calls passed on to the replica that has the session", "outcome"
        )
        self._forward_seconds = self._histogram(
            "forward_duration_seconds", "How long its answers took to begin", "outcome"
        )
        self._at_scrape = _AtScrape()
        self._registry.register(self._at_scrape)

    def answered(
        self, method: str, route: str | None, status: int, problem: str | None, seconds: float
    ) -> None:
        """Count an answered request; `route` is its path's template, `seconds` its duration."""
        method, route = method if method in METHODS else OTHER, route or OTHER
        self._requests(method, route, str(status)).inc()
        self._request_seconds(method, route).observe(seconds)
        if problem is not None:
            self._problems(route, problem).inc()

    def forwarded(self, outcome: str, seconds: float) -> None:
        """Count an attempt to pass a call on; `seconds` until the head of the answer."""
        self._forwards(outcome).inc()
        self._forward_seconds(outcome).observe(seconds)

    def called(self, exchange: Exchange) -> None:
        """Count a request to Kaltura that is over."""
        operation = exchange.operation.value
        self._calls(operation, exchange.outcome).inc()
        self._call_seconds(operation).observe(exchange.seconds)

    def exposition(self, stats: Stats, shared: SharedStats) -> bytes:
        """All metrics in Prometheus' text format: those of this process and of all replicas."""
        self._at_scrape.stats = stats, shared
        return generate_latest(self._registry)

    # By their labels the counters are found in a cache, which saves 12 us of each speak.

    def _counter(self, name: str, meaning: str, *labels: str) -> Callable[..., Counter]:
        return cache(
            Counter(name, meaning, labels, namespace=PREFIX, registry=self._registry).labels
        )

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, namespace=PREFIX, registry=self._registry)

    def _histogram(self, name: str, meaning: str, *labels: str) -> Callable[..., Histogram]:
        histogram = Histogram(
            name, meaning, labels, namespace=PREFIX, registry=self._registry, buckets=_SECONDS
        )
        return cache(histogram.labels)


class _AtScrape(Collector):
    """The metrics that other parts count, read at each scrape."""

    stats: tuple[Stats, SharedStats] | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing: without this method the registry would call `collect` when it registers."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics from the last `stats`; none before the first scrape."""
        if self.stats is None:
            return
        now, shared = self.stats
        lost = {"": dropped_lines()}
        yield _counter("log_lines_dropped", "Lines of the log that could not be written", lost)
        yield _gauge("sessions_live", "Sessions that visitors may use", now.live)
        yield _gauge("sessions_ending", "Sessions over here, but not yet at Kaltura", now.ending)
        yield _gauge("sessions_capacity", "Sessions that may be open, of all", now.capacity)
        yield _gauge("waiting_room_length", "Visitors in line for a session, of all", now.waiting)
        yield _gauge("waiting_room_capacity", "Visitors who may wait, of all", now.waiting_capacity)
        yield _gauge("audit_waiting", "Entries not yet in the record", now.audit_waiting)
        yield _gauge("audit_lag_seconds", "How long they have waited", now.audit_lag_seconds)
        yield _gauge("audit_writable", "Whether the record can be written", now.audit_writable)
        yield _counter("audit_lost", "Entries that are not in the record", {"": now.audit_lost})
        yield _counter("sessions_opened", "Sessions opened", {"": now.opened})
        yield _counter(
            "sessions_ended",
            "Sessions ended, and why",
            {reason.value: now.ended[reason] for reason in EndReason},
            "reason",
        )
        yield _counter("ks_renewals", "Kaltura Sessions made, or not", now.ks_renewals, "outcome")
        yield _states(
            "kaltura_breaker", "Whether Kaltura is asked: the state that is 1", STATES, now.breaker
        )
        yield _gauge("speech_waiting", "Utterances that wait to be said", now.utterances_waiting)
        yield _states(
            "speech_voice", "Whose voice speaks: the state that is 1", SpeechMode, now.voice
        )
        yield _counter("speech_switches", "Changes of the voice", {"": now.voice_switches})
        said = {voice.value: now.voice_said[voice] for voice in now.voice_said}
        yield _counter("speech_pieces", "Pieces that each voice said", said, "voice")
        yield _gauge(
            "lease_age_seconds", "How long ago the lease was renewed", now.lease_age_seconds
        )
        yield _counter(
            "lease_losses", "Times that other replicas got all sessions", {"": now.lease_losses}
        )
        yield _counter(
            "sessions_taken_over", "Sessions taken over from dead replicas", {"": now.taken_over}
        )
        yield _counter(
            "sessions_handed_over",
            "Sessions handed over to other replicas at a stop",
            {"": now.handed_over},
        )
        yield _counter(
            "fenced_writes",
            "Changes refused: another replica has the session",
            {"": now.fenced_writes},
        )
        yield _gauge("all_sessions_live", "Sessions that visitors may use, of all", shared.live)
        yield _gauges("all_replicas", "Replicas in each state", shared.replicas_by_state, "state")


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", meaning, value)


def _gauges(name: str, meaning: str, values: Mapping[str, float], label: str) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", meaning, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _counter(name: str, meaning: str, values: Mapping[str, float], label: str = "") -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{name}", meaning, labels=[label] if label else [])
    for value, count in values.items():
        family.add_metric([value] if label else [], count)
    return family


def _states(name: str, meaning: str, states: Iterable[str], state: str) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", meaning, labels=["state"])
    for one in states:
        family.add_metric([one], one == state)
    return family
