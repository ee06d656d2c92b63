"""Langfuse's Python SDK, version 5: OTLP, scores, a prompt, the check of its keys; only its host is changed."""

import os

from recording import SIDECAR_URL, EndedSpans, around, fact, pace, record_otlp_exports, say_score, units

os.environ["LANGFUSE_BASE_URL"] = SIDECAR_URL

from langfuse import Langfuse, propagate_attributes
from langfuse._task_manager.score_consumer import ScoreConsumer
from opentelemetry.sdk.trace import TracerProvider

record_otlp_exports()
around(ScoreConsumer, "_upload_batch", lambda batch: [score["id"] for score in batch])

provider = TracerProvider()
provider.add_span_processor(EndedSpans())
langfuse = Langfuse(tracer_provider=provider, environment="interop")

if os.environ.get("LOOK_UPS") == "1":
    fact("authCheck", langfuse.auth_check())
    prompt = langfuse.get_prompt("greeting")
    fact("prompt", {"text": prompt.compile(name="Ada"), "version": prompt.version})

for number in units():
    with langfuse.start_as_current_observation(name=f"call-{number}", as_type="span", input={"number": number}) as root:
        with propagate_attributes(
            user_id="ada", session_id=f"session-{number}", tags=["interop"], trace_name="interop call"
        ):
            with langfuse.start_as_current_observation(
                name="answer",
                as_type="generation",
                model="gpt-4o-mini",
                model_parameters={"temperature": 0.5},
                input=[{"role": "user", "content": "Wie spät ist es? 🕙"}],
                usage_details={"input": 11, "output": 7},
                metadata={"attempt": 1},
            ) as generation:
                generation.update(output={"role": "assistant", "content": "Zehn."})
            with langfuse.start_as_current_observation(name="look up", as_type="tool", input={"q": "time"}) as tool:
                tool.update(output="10:00", level="WARNING", status_message="slow")
        root.update(output={"answered": True})
        score_id = f"py5-{root.trace_id}"
        langfuse.create_score(
            name="helpful", value=0.9, score_id=score_id, trace_id=root.trace_id, observation_id=root.id, comment="good"
        )
        say_score(score_id, root.trace_id, "helpful")
    pace()

langfuse.flush()
langfuse.shutdown()
fact("flushed", True)
