// The export task with the names of name-service.ts.
import "./name-service.ts";
export * from "../../src/export/task.ts";
