"""OpenTelemetry's Python SDK, OTLP over HTTP in protobuf, gzip: all by its environment, as its documentation says."""

import os

from recording import SIDECAR_URL, EndedSpans, fact, pace, record_otlp_exports, units

os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = SIDECAR_URL
os.environ["OTEL_EXPORTER_OTLP_COMPRESSION"] = "gzip"
os.environ["OTEL_SERVICE_NAME"] = "interop-otel-python"

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

record_otlp_exports()
provider = TracerProvider()
provider.add_span_processor(EndedSpans())
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("interop", "1.0")

for number in units():
    with tracer.start_as_current_span(f"call-{number}") as root:
        root.set_attribute("session.id", f"session-{number}")
        root.set_attribute("user.id", "ada")
        with tracer.start_as_current_span("chat") as chat:
            chat.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.request.model": "gpt-4o-mini",
                    "gen_ai.usage.input_tokens": 11,
                    "gen_ai.usage.output_tokens": 7,
                    "gen_ai.prompt": "Wie spät ist es? 🕙",
                    "gen_ai.completion": "Zehn.",
                    "numbers": [1, 2, 3],
                    "ratio": 0.5,
                    "big": 2**62,
                }
            )
            chat.add_event("first token", {"index": 0})
        with tracer.start_as_current_span("failing") as failing:
            failing.set_status(Status(StatusCode.ERROR, "no such tool"))
    pace()

fact("flushed", provider.force_flush())
provider.shutdown()
