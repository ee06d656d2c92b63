/** What both senders of the OTLP route say in a request, whatever else tells them apart. */

/** Selects Langfuse 4's direct write path; without it a span is seen after up to 10 minutes. */
export const ingestionVersionHeader: Readonly<Record<string, string>> = { "x-langfuse-ingestion-version": "4" };
