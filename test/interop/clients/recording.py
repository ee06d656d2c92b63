"""What a client says on stdout, as JSON lines, and the hooks by which it knows.

The hooks stand around the SDK's own sending and change nothing in it: what is sent, when, and how often is the SDK's.
"""

import itertools
import json
import os
import sys
import threading
import time

SIDECAR_URL = os.environ["SIDECAR_URL"]
PACE_SECONDS = float(os.environ.get("PACE_MS", "0")) / 1000

_lock = threading.Lock()


def say(kind, **fields):
    with _lock:
        sys.stdout.write(json.dumps({"kind": kind, "atMs": time.time() * 1000, **fields}) + "\n")
        sys.stdout.flush()


def say_observation(id, trace_id, name):
    """It has ended: from here on it is the SDK's to deliver."""
    say("observation", id=id, traceId=trace_id, name=name)


def say_score(id, trace_id, name):
    say("score", id=id, traceId=trace_id, name=name)


def fact(name, value):
    say("fact", name=name, value=value)


def around(owner, method, ids_of):
    """Says of each call which ids it carries and whether the SDK takes it for delivered.

    An exception or an answer of `FAILURE` is not delivered; both go on to the SDK as they came.
    """
    original = getattr(owner, method)

    def recorded(self, *args, **kwargs):
        ids = ids_of(*args, **kwargs)
        started = time.time() * 1000
        ok = False
        try:
            result = original(self, *args, **kwargs)
            ok = getattr(result, "name", "SUCCESS") == "SUCCESS"
            return result
        finally:
            say("sending", ids=ids, ok=ok, startedAtMs=started)

    setattr(owner, method, recorded)


def record_otlp_exports():
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    around(
        OTLPSpanExporter,
        "export",
        lambda spans: [format(span.context.span_id, "016x") for span in spans],
    )


class EndedSpans:
    """A span processor (by shape) that says each span that ends."""

    def on_start(self, span, parent_context=None):
        pass

    def _on_ending(self, span):
        pass

    def on_end(self, span):
        context = span.context
        say_observation(format(context.span_id, "016x"), format(context.trace_id, "032x"), span.name)

    def shutdown(self):
        pass

    def force_flush(self, timeout_millis=30000):
        return True


def units():
    """Numbers of the units of work: `COUNT`, or, without that, as many as there is time for until stdin ends."""
    if "COUNT" in os.environ:
        yield from range(int(os.environ["COUNT"]))
        return
    stopped = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
    yield from itertools.takewhile(lambda _: not stopped.is_set(), itertools.count())


def pace():
    time.sleep(PACE_SECONDS)
