import process from "node:process";
import { describe, expect, test } from "vitest";
import { isCardNumber, isIban } from "../../src/mask/checksums.ts";
import { maskPatternNames } from "../../src/mask/mask-rules.ts";
import { maskStored } from "../../src/mask/mask-stored.ts";
import { RuleMask } from "../../src/mask/rule-mask.ts";
import { SecretMaker } from "./planted-secrets.ts";

const all = new RuleMask(maskPatternNames);

/** Of a span with this input. */
function masked(input: unknown, mask = all): unknown {
  return (JSON.parse(maskStored(JSON.stringify({ input }), mask)) as { input: unknown }).input;
}

describe("what is found", () => {
  test.each([
    ["write to Bob.Smith+x@mail.example.co.uk, please", "write to [masked email], please"],
    ["mailto:bob%40example.com?x", "mailto:[masked email]?x"],
    ["call +49 30 1234567 now", "call [masked phone] now"],
    ["+1 (415) 555-2671 or 415-555-2671", "[masked phone] or [masked phone]"],
    ["06 12 34 56 78, 020 7946 0958, 0171/1234567", "[masked phone], [masked phone], [masked phone]"],
    ["4111 1111 1111 1111 12/27 123", "[masked card] 12/27 123"],
    ["two: 4111-1111-1111-1111 5500 0000 0000 0004.", "two: [masked card] [masked card]."],
    ["4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "[masked card]"],
    ["amex 378282246310005", "amex [masked card]"],
    ["IBAN: DE89 3704 0044 0532 0130 00 BIC COBADEFFXXX", "IBAN: [masked iban] BIC COBADEFFXXX"],
    ["gb82west12345698765432", "[masked iban]"],
    ["Authorization: Bearer abcdef0123456789", "Authorization: [masked token]"],
    ["postgres://app:s3cr3t@db/x", "postgres://app:[masked token]@db/x"],
    ["aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key = [masked token]"],
    ["-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- end", "[masked token] end"],
  ])("%s", (text, expected) => {
    expect(masked(text)).toBe(expected);
  });

  test("wherever it stands: keys, lists, long numbers, JSON in a text in a text, escapes", () => {
    const inner = JSON.stringify({ to: "a@example.com", n: 12345678901234567890n.toString() });
    expect(masked({ "a@example.com": 1, "b@example.com": [["c@example.com"]] })).toEqual({
      "[masked email]": 1,
      "[masked email] 2": [["[masked email]"]],
    });
    expect(masked(4111111111111111)).toBe("[masked card]");
    expect(masked(JSON.stringify({ a: JSON.stringify([inner]) }))).toBe(
      JSON.stringify({ a: JSON.stringify([inner.replace("a@example.com", "[masked email]")]) }),
    );
    expect(masked('{"id": 12345678901234567890, "mail": "a\\u0040example.com"}')).toBe(
      '{"id":12345678901234567890,"mail":"[masked email]"}',
    );
    expect(masked('log: {"card": 4111111111111111, "mail": "a\\\\u0040example.com", …')).toBe(
      'log: {"card": [masked card], "mail": "[masked email]", …',
    );
  });

  test("attributes in OTLP's form keep their shape", () => {
    const attributes = [
      { key: "n", value: { intValue: "4111111111111111" } },
      { key: "password", value: { stringValue: "hunter2" } },
      { key: "list", value: { arrayValue: { values: [{ stringValue: "a@example.com" }] } } },
    ];
    const mask = new RuleMask([...maskPatternNames, { keys: ["Password"] }]);
    expect(
      (JSON.parse(maskStored(JSON.stringify({ attributes }), mask)) as { attributes: unknown }).attributes,
    ).toEqual([
      { key: "n", value: { stringValue: "[masked card]" } },
      { key: "password", value: { stringValue: "[masked]" } },
      { key: "list", value: { arrayValue: { values: [{ stringValue: "[masked email]" }] } } },
    ]);
  });

  test("keys by name, however they are written, also in texts that are no JSON", () => {
    const mask = new RuleMask([{ keys: ["password", "api_key", "authorization"] }]);
    const value = {
      Password: "hunter2",
      apiKey: { nested: ["hunter2"] },
      "http.request.header.Authorization": ["hunter2"],
      headers: [{ name: "API-KEY", value: "hunter2" }],
      text: "password=hunter2; user=bob",
      header: "Authorization: Token hunter2",
      cut: '{"user":"bob","password":"hun\\"ter2 hunter2',
      deep: 'x {\\"password\\":\\"hunter2\\",\\"a\\":1}',
      passwords: "stay",
      nothing: null,
    };
    const result = masked(value, mask);
    expect(JSON.stringify(result)).not.toMatch(/hunter2|ter2/);
    expect(result).toMatchObject({
      text: "password=[masked]; user=bob",
      header: "Authorization: [masked]",
      deep: 'x {\\"password\\":[masked],\\"a\\":1}',
      passwords: "stay",
    });
  });

  test("what the serialiser has cut loses its last word: half a secret is none that a pattern finds", () => {
    const cut = "a b c ".repeat(50) + "4111 1111 1111 11[truncated: 999 of 2000 characters kept]";
    expect(masked(cut)).toMatch(/^(a b c )+[abc ]*\[truncated: 999 of 2000 characters kept\]$/);
  });

  test("10,000 secrets of all kinds in innocent words", () => {
    const maker = new SecretMaker(1);
    const missed: string[] = [];
    for (let index = 0; index < 10_000; index++) {
      const secret = maker.make(maker.pick(maskPatternNames));
      const text =
        maker.pick(["", "my number is ", "Kontakt: ", "(see ", '"', "x="]) +
        secret.text +
        maker.pick(["", ".", ", thanks", ") ok", '"', "\n"]);
      if (String(masked(text)).includes(secret.trace)) missed.push(text);
    }
    expect(missed).toEqual([]);
  });

  test("masking what is masked changes nothing", () => {
    const mask = new RuleMask([...maskPatternNames, { keys: ["password"] }]);
    const maker = new SecretMaker(2);
    for (let index = 0; index < 500; index++) {
      const { text } = maker.make(maker.pick(maskPatternNames));
      const once = maskStored(JSON.stringify({ input: { text, password: 1, line: `password: ${text}` } }), mask);
      expect(maskStored(once, mask)).toBe(once);
    }
  });
});

const innocents: readonly unknown[] = [
  "0af7651916cd43dd8448eb211c80319c",
  "550e8400-e29b-41d4-a716-446655440000",
  "2026-11-26T09:44:18.123456Z",
  "2026-11-26 09:44",
  "26.11.2026, 09:44 Uhr",
  "01/02/2026 03/04/2026",
  "1793520000000000000",
  1793520000000,
  "1793520001500",
  "lodash@4.17.21 and @scope/name@1.2.3",
  "@observed() on a method, and a @mention",
  "3.14159265358979, 0.30000000000000004, 1e+100, -12.5",
  "+37.7749295, -122.4194155",
  "192.168.100.200:8080 10.0.0.1/24",
  "v1.20.300-beta.4, Node 24.21.0, 16.4.1",
  "order 20261123-0042, invoice 2026-000123, ticket #4711",
  "task-management-system-overview and risk-assessment-and-mitigation-plan",
  "sk-learn-compatible-estimators",
  "a bearer of good news, basic understanding of authentication, Basic internationalization",
  "the resolution is 1920x1080 at 60 Hz; sizes 640 480 1024 768",
  "[100, 200, 300, 4000, 50000]",
  "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
  "tokens: 1234567 in, 890 out, 12,345,678 total, $1,234.56",
  "gpt-4o-2024-08-06, claude-sonnet-4-20250514, text-embedding-3-large",
  "https://example.com/path/2026/11/26?page=2&size=100#top",
  "#ff8800 #1234567890 rgba(10, 20, 30, 0.5)",
  "4111 1111 1111 1112 is no card",
  "DE12 3456 7890 1234 5678 90 is no IBAN",
  "Vector [0.1234567890123456, -0.9876543210987654]",
  "ISBN 978-3-16-148410-0, EAN 4006381333931",
  "call me at 5 or at 17:30, room 301, 10115 Berlin",
  "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "SELECT * FROM users WHERE id = 1234567890 LIMIT 10",
  '{"temperature": 0.7, "max_tokens": 4096, "id": "chatcmpl-9Xr2AbCdEf"}',
  "Bonjour, je voudrais réserver pour 12 personnes le 24/12/2026 à 19h30.",
];

test.each(innocents)("stays as it is: %j", (value) => {
  const text = JSON.stringify({ traceId: "0af7651916cd43dd8448eb211c80319c", input: value, attributes: { value } });
  expect(maskStored(text, all)).toBe(text);
});

test("what identifies a span or an event stays, what is none is no identity", () => {
  const hides = new RuleMask([{ keys: ["traceId", "id", "name", "input"] }, "email"]);
  const span = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203301", name: "n", input: "x" };
  expect(JSON.parse(maskStored(JSON.stringify(span), hides))).toEqual({ ...span, name: "[masked]", input: "[masked]" });
  expect(maskStored(JSON.stringify({ traceId: "bob@example.com" }), new RuleMask(["email"]))).not.toContain("bob");
  const event = {
    id: "e",
    type: "score-create",
    timestamp: "t",
    body: { id: "s", traceId: "call", comment: "a@b.example" },
  };
  expect(JSON.parse(maskStored(JSON.stringify(event), new RuleMask(["email"])))).toEqual({
    ...event,
    body: { ...event.body, comment: "[masked email]" },
  });
});

test("a text that is no span is nobody's", () => {
  for (const text of ["", "{", "[]", '"a@example.com"', "1"]) expect(maskStored(text, all)).toBe("{}");
});

test("checksums", () => {
  expect(["4111111111111111", "378282246310005", "6011111111111117"].every((card) => isCardNumber(card))).toBe(true);
  expect(["4111111111111112", "1111111111111117", "411111111111"].some((card) => isCardNumber(card))).toBe(false);
  expect([isIban("DE89370400440532013000"), isIban("DE88370400440532013000")]).toEqual([true, false]);
});

const cpuMs = (): number => process.threadCpuUsage().user / 1_000;

test("the time for a text grows as the text does", () => {
  const hostile = [
    "a".repeat(63) + ".",
    "@a.",
    "4111 ",
    "+1 ",
    "eyJa.",
    "://a:",
    "-----BEGIN PRIVATE KEY-----",
    "0 1",
    "DE89 ",
    "aws secret:",
    "\\u0040",
    "password\\\\",
  ];
  const mask = new RuleMask([...maskPatternNames, { keys: ["password"] }]);
  const timeOf = (unit: string, length: number): number => {
    const text = unit.repeat(length / unit.length);
    const startMs = cpuMs();
    mask.text(text);
    return cpuMs() - startMs;
  };
  for (const unit of hostile) {
    const least = (length: number): number => Math.min(...[1, 2, 3, 4, 5].map(() => timeOf(unit, length)));
    least(10_000);
    // Sixteen times the text; the square would be 256 times.
    expect([unit, least(320_000) / Math.max(least(20_000), 1) < 120]).toEqual([unit, true]);
  }
});
