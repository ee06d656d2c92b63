"""Langfuse's Python SDK, version 2: events on the ingestion route; only its host is changed.

Each observation has a name of its own: its id is another one once its events have become an OTLP span.
"""

import os

from recording import SIDECAR_URL, around, fact, pace, say_observation, say_score, units

os.environ["LANGFUSE_HOST"] = SIDECAR_URL

from langfuse import Langfuse
from langfuse.request import LangfuseClient

around(LangfuseClient, "batch_post", lambda batch, **_: sorted({event["body"]["id"] for event in batch}))

# By default it tries three times within three seconds, at random.
langfuse = Langfuse(max_retries=int(os.environ.get("MAX_RETRIES", "3")), flush_interval=0.5)

if os.environ.get("LOOK_UPS") == "1":
    fact("authCheck", langfuse.auth_check())
    prompt = langfuse.get_prompt("greeting")
    fact("prompt", {"text": prompt.compile(name="Ada"), "version": prompt.version})

for number in units():
    trace = langfuse.trace(
        name="interop call",
        user_id="ada",
        session_id=f"session-{number}",
        tags=["interop"],
        metadata={"number": number},
        input={"number": number},
    )
    root = trace.span(name=f"py2-call-{number}", input={"number": number})
    generation = root.generation(
        name=f"py2-answer-{number}",
        model="gpt-4o-mini",
        model_parameters={"temperature": 0.5},
        input=[{"role": "user", "content": "Wie spät ist es? 🕙"}],
        metadata={"attempt": 1},
    )
    generation.end(output={"role": "assistant", "content": "Zehn."}, usage_details={"input": 11, "output": 7})
    event = root.event(name=f"py2-interrupted-{number}", level="WARNING", status_message="barge-in")
    root.end(output={"answered": True})
    trace.update(output={"answered": True})
    for observation, name in ((root, "call"), (generation, "answer"), (event, "interrupted")):
        say_observation(observation.id, trace.id, f"py2-{name}-{number}")
    score_id = f"py2-{trace.id}"
    trace.score(id=score_id, name="helpful", value=0.9, comment="good")
    say_score(score_id, trace.id, "helpful")
    pace()

langfuse.flush()
langfuse.shutdown()
fact("flushed", True)
