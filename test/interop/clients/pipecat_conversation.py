"""A voice bot of Pipecat's own parts: pipeline, turn tracking, tracing decorators, `setup_tracing`.

What would need the world outside stands here instead: the speech recogniser reads its words out of the "audio", the
model answers by rote, the synthesiser yields silence, the transport says when the bot speaks. One conversation; a unit of work is a turn.
"""

import asyncio
import os

from recording import PACE_SECONDS, SIDECAR_URL, EndedSpans, fact, record_otlp_exports, units

os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = SIDECAR_URL

from loguru import logger

logger.remove()

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from pipecat.adapters.llm.base_llm_adapter import BaseLLMAdapter
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    UserAudioRawFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import LLMTokenUsage
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.utils.time import time_now_iso8601
from pipecat.utils.tracing.service_decorators import traced_llm, traced_stt, traced_tts
from pipecat.utils.tracing.setup import setup_tracing
from pipecat.workers.runner import WorkerRunner


class WordsSTTService(STTService):
    def __init__(self):
        super().__init__(settings=STTSettings(model="words-1", language="de"), ttfs_p99_latency=1.0)

    def can_generate_metrics(self):
        return True

    async def run_stt(self, audio):
        yield None
        await self._transcribed(audio.decode().strip())

    @traced_stt
    async def _transcribed(self, text):
        await self.push_frame(
            TranscriptionFrame(text, self._user_id, time_now_iso8601(), finalized=True)
        )


class RoteAdapter(BaseLLMAdapter):
    """The default one asks for a provider's package."""

    @property
    def id_for_llm_specific_messages(self):
        return "rote"

    async def get_llm_invocation_params(self, context, **kwargs):
        return {"messages": context.get_messages()}

    def to_provider_tools_format(self, tools_schema):
        return []

    def get_messages_for_logging(self, context):
        return context.get_messages()


class RoteLLMService(LLMService):
    adapter_class = RoteAdapter

    def __init__(self):
        super().__init__(
            settings=LLMSettings(
                model="rote-1",
                system_instruction="Answer in one sentence.",
                temperature=0.5,
                max_tokens=100,
            )
        )

    def can_generate_metrics(self):
        return True

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await self._process_context(frame.context)
        await self.push_frame(LLMFullResponseEndFrame())

    @traced_llm
    async def _process_context(self, context):
        await self.start_ttfb_metrics()
        await asyncio.sleep(0.02)
        await self.stop_ttfb_metrics()
        answer = f"Antwort {len(context.get_messages())}."
        for part in (answer[:4], answer[4:]):
            await self.push_frame(LLMTextFrame(part))
        context.add_message({"role": "assistant", "content": answer})
        await self.start_llm_usage_metrics(
            LLMTokenUsage(prompt_tokens=30, completion_tokens=5, total_tokens=35, cache_read_input_tokens=20)
        )


class SilentTTSService(TTSService):
    def __init__(self):
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            stop_frame_timeout_s=0.1,
            settings=TTSSettings(model="silent-1", voice="nobody", language="de"),
        )

    def can_generate_metrics(self):
        return True

    @traced_tts
    async def run_tts(self, text, context_id):
        await self.start_tts_usage_metrics(text)
        await asyncio.sleep(0.02)
        await self.stop_ttfb_metrics()
        yield TTSAudioRawFrame(b"\0" * 480, self.sample_rate, 1, context_id=context_id)


class Memory(FrameProcessor):
    """In the place of the user's aggregator: what was said goes to the model with all that came before."""

    def __init__(self):
        super().__init__()
        self._context = LLMContext()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            self._context.add_message({"role": "user", "content": frame.text})
            await self.push_frame(LLMContextFrame(self._context))
        else:
            await self.push_frame(frame, direction)


class Loudspeaker(FrameProcessor):
    """In the place of the transport: says when the bot speaks."""

    def __init__(self):
        super().__init__()
        self.fell_silent = asyncio.Event()

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, TTSStartedFrame):
            await self.push_frame(BotStartedSpeakingFrame())
            await self.push_frame(BotStartedSpeakingFrame(), FrameDirection.UPSTREAM)
        elif isinstance(frame, TTSStoppedFrame):
            await self.push_frame(BotStoppedSpeakingFrame())
            await self.push_frame(BotStoppedSpeakingFrame(), FrameDirection.UPSTREAM)
            self.fell_silent.set()


async def talk(worker, loudspeaker):
    for number in units():
        words = f"Frage {number}"
        loudspeaker.fell_silent.clear()
        await worker.queue_frames([VADUserStartedSpeakingFrame(start_secs=0.2), UserStartedSpeakingFrame()])
        await asyncio.sleep(0.05)
        audio = words.encode() + b" " * (len(words) % 2)
        await worker.queue_frames(
            [
                VADUserStoppedSpeakingFrame(stop_secs=0.01),
                UserAudioRawFrame(audio=audio, sample_rate=16000, num_channels=1, user_id="ada"),
                UserStoppedSpeakingFrame(),
            ]
        )
        await asyncio.wait_for(loudspeaker.fell_silent.wait(), 20)
        await asyncio.sleep(PACE_SECONDS)
    await worker.queue_frame(EndFrame())


async def converse():
    loudspeaker = Loudspeaker()
    pipeline = Pipeline([WordsSTTService(), Memory(), RoteLLMService(), SilentTTSService(), loudspeaker])
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(enable_metrics=True, enable_usage_metrics=True),
        enable_tracing=True,
        enable_rtvi=False,
        conversation_id=os.environ.get("CONVERSATION_ID", "conversation-1"),
        additional_span_attributes={"langfuse.user.id": "ada", "langfuse.trace.tags": ["interop"]},
        cancel_on_idle_timeout=False,
    )
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def on_pipeline_started(_worker, _frame):
        started.set()

    async def talk_when_started():
        await started.wait()
        await talk(worker, loudspeaker)

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), talk_when_started())


record_otlp_exports()
setup_tracing(service_name="interop-pipecat", exporter=OTLPSpanExporter())
provider = trace.get_tracer_provider()
provider.add_span_processor(EndedSpans())
asyncio.run(converse())
fact("flushed", provider.force_flush())
provider.shutdown()
