/** The control port: switches and the account, for a demo or a test in another process. */
import { Hono } from "hono";
import type { Fault, StandIn } from "./index.ts";

export function createControlApp(standIn: StandIn): Hono {
  const app = new Hono();
  app.get("/account", (context) => context.json(standIn.account()));
  app.get("/ids", (context) => context.json(standIn.ids()));
  app.get("/scores", (context) => context.json(standIn.scores()));
  app.get("/media", (context) => context.json(standIn.media()));
  app.get("/spans", (context) => context.json(standIn.spans()));
  app.post("/fault", async (context) => {
    await standIn.setFault((await context.req.json<Fault | null>()) ?? undefined);
    return context.json({ ok: true });
  });
  app.post("/clear", (context) => {
    standIn.clear();
    return context.json({ ok: true });
  });
  return app;
}
