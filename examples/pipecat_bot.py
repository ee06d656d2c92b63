"""A Pipecat bot before the sidecar. In one terminal: npx span-buffer serve. In another, with pipecat-ai[tracing]:
OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 python examples/pipecat_bot.py

The synthesiser is silent, so that no key is needed: put your own services in its place, tracing stays as it is.
"""

import asyncio

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from pipecat.frames.frames import EndFrame, TTSAudioRawFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.utils.tracing.service_decorators import traced_tts
from pipecat.utils.tracing.setup import setup_tracing
from pipecat.workers.runner import WorkerRunner


class SilentTTSService(TTSService):
    def __init__(self):
        super().__init__(settings=TTSSettings(model="silent-1", voice="nobody", language="en"))

    def can_generate_metrics(self):
        return True

    @traced_tts
    async def run_tts(self, text, context_id):
        await self.start_tts_usage_metrics(text)
        yield TTSAudioRawFrame(b"\0" * 480, self.sample_rate, 1, context_id=context_id)


async def main():
    worker = PipelineWorker(
        Pipeline([SilentTTSService()]),
        params=PipelineParams(enable_metrics=True, enable_usage_metrics=True),
        enable_tracing=True,
        enable_rtvi=False,
        conversation_id="call-4711",
        # Langfuse's user and tags; the sidecar puts them on every span of the conversation.
        additional_span_attributes={"langfuse.user.id": "user-1", "langfuse.trace.tags": ["voice-agent"]},
    )
    await worker.queue_frames([TTSSpeakFrame("Hello! What can I do for you?"), EndFrame()])
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


# The two lines that tracing takes. The exporter finds the sidecar by OTEL_EXPORTER_OTLP_ENDPOINT.
setup_tracing(service_name="bot", exporter=OTLPSpanExporter())
asyncio.run(main())
trace.get_tracer_provider().shutdown()
