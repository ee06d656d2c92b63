/** What an export thread says of a batch is masked too, whoever's words they are. */
import { expect, test } from "vitest";
import { send as sendEvents } from "../../src/export/event-task.ts";
import { send } from "../../src/export/task.ts";
import { json, scriptedServer } from "./scripted-server.ts";
import { span, taskFor } from "./tasks.ts";

const mask = ["email"] as const;

test("a server's words, an invalid span's values, an event's refusal", async () => {
  await using server = await scriptedServer(({ path }) =>
    path.endsWith("/ingestion")
      ? json(207, { successes: [], errors: [{ id: "e", status: 400, message: "ask admin@example.com" }] })
      : json(400, { error: "ask admin@example.com" }),
  );
  const refused = await send({ ...taskFor(server.url, [span(1)]), mask });
  const invalid = await send({ ...taskFor(server.url, [span(1, { spanId: "bob@example.com" })]), mask });
  const score = {
    id: "e",
    type: "score-create",
    timestamp: "2026-11-26T00:00:00Z",
    body: { id: "s", comment: "bob@example.com" },
  };
  const event = await sendEvents({ ...taskFor(server.url, [JSON.stringify(score)], { transport: "ingestion" }), mask });
  for (const report of [refused, invalid, event]) {
    expect(JSON.stringify(report)).toContain("ejected");
    expect(JSON.stringify(report)).not.toContain("@example");
  }
  expect(JSON.stringify([refused, event])).toContain("ask [masked email]");
  expect(server.requests.map(({ body }) => body).join("")).not.toContain("bob@example");
});
