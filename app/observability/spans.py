"""The provider of spans, which keeps visitors' data out of them.

Importing OpenTelemetry's SDK is slow: import this module only where traces are wanted.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from app import __version__

_MAY_BE_TOLD: Final = frozenset(
    {"http.request.method", "url.scheme", "network.protocol.name", "network.protocol.version"}
)
"""The attributes of a request that a span may have; path, query and Host are a visitor's text."""


def tracer_provider(environ: Mapping[str, str]) -> TracerProvider:
    """A provider configured by the `OTEL_*` variables, whose spans hold no data of visitors."""
    named = environ.get("OTEL_SERVICE_NAME") or SERVICE_NAME in environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    ours = {"service.version": __version__} | ({} if named else {SERVICE_NAME: "avatar-broker"})
    provider = TracerProvider(resource=Resource.create(ours))
    provider.sampler = _AttributeFilter(provider.sampler)
    return provider


class _AttributeFilter(Sampler):
    """Samples as `sampler` does, and removes attributes that could hold a visitor's text."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """The decision of `sampler`, with the attributes of a request reduced to those allowed."""
        kept = dict(attributes or {})
        if kind is SpanKind.SERVER:
            kept = {name: kept[name] for name in _MAY_BE_TOLD & kept.keys()}
        decided = self._sampler.should_sample(
            parent_context, trace_id, name, kind, kept, links, trace_state
        )
        return SamplingResult(decided.decision, kept)

    def get_description(self) -> str:
        """The name of `sampler`, for logs."""
        return self._sampler.get_description()
