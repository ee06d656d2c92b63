import { timingSafeEqual } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import { Access } from "../../src/server/access.ts";
import { basic } from "../support/sidecars.ts";

vi.mock("node:crypto", async (importOriginal) => {
  const original = await importOriginal<typeof import("node:crypto")>();
  return { ...original, timingSafeEqual: vi.fn(original.timingSafeEqual) };
});

const acme = { publicKey: "pk-lf-acme", secretKey: "sk-lf-acme" };
const globex = { publicKey: "pk-lf-globex", secretKey: "sk-lf-globex" };

function accessOf(names: readonly ("acme" | "globex" | "keyless")[], isLoopback: boolean): Access<string> {
  const credentials = { acme, globex, keyless: undefined };
  return new Access({ subjects: names.map((subject) => ({ subject, credentials: credentials[subject] })), isLoopback });
}

/** The project's name, or the refusal's words. */
function decide(access: Access<string>, authorization: string | undefined): string {
  const decision = access.decide(authorization);
  if ("subject" in decision) return decision.subject;
  expect(decision.refusal.status).toBe(401);
  return decision.refusal.message;
}

describe("who a caller is", () => {
  const wrong = [
    ["another secret", basic({ ...acme, secretKey: "sk-lf-other" })],
    ["another public key", basic({ ...acme, publicKey: "pk-lf-other" })],
    ["one project's public key with the other's secret", basic({ ...acme, secretKey: globex.secretKey })],
    ["a secret that only begins right", basic({ ...acme, secretKey: `${acme.secretKey}x` })],
    ["a secret that ends too early", basic({ ...acme, secretKey: acme.secretKey.slice(0, -1) })],
    ["no base64", "Basic pk-lf-acme:sk-lf-acme"],
    ["nothing", "Basic"],
    ["empty keys", basic({ publicKey: "", secretKey: "" })],
  ] as const;

  it.each(["acme", "globex"] as const)("Basic credentials choose the project %s", (name) => {
    const access = accessOf(["acme", "globex"], true);
    expect(decide(access, basic({ acme, globex }[name]))).toBe(name);
  });

  it("takes the scheme in any case, as RFC 9110 has it", () => {
    expect(decide(accessOf(["acme"], false), basic(acme).replace("Basic", "basic"))).toBe("acme");
  });

  describe.each([true, false])("loopback: %s", (isLoopback) => {
    it.each(wrong)("refuses %s in Langfuse's words", (_, authorization) => {
      for (const names of [["acme"], ["acme", "globex"]] as const) {
        expect(decide(accessOf(names, isLoopback), authorization)).toBe(
          "Invalid credentials. Confirm that you've configured the correct host.",
        );
      }
    });

    it("refuses Bearer, known or not, and says what to change", () => {
      for (const key of [acme.publicKey, "pk-lf-unknown"]) {
        const words = decide(accessOf(["acme"], isLoopback), `Bearer ${key}`);
        expect(words).toMatch(/^Invalid public key\. Confirm that you've configured the correct host\./);
        expect(words).toContain('send "Authorization: Basic " and base64 of publicKey:secretKey');
        expect(words.includes("leave the header out")).toBe(isLoopback);
      }
    });

    it("says of a percent-encoded header that it is one", () => {
      expect(decide(accessOf(["acme"], isLoopback), basic(acme).replace(" ", "%20"))).toMatch(/"%20"/);
    });
  });

  it("needs no header on a loopback address with one project", () => {
    expect(decide(accessOf(["acme"], true), undefined)).toBe("acme");
  });

  it("needs one with several projects, and says why", () => {
    expect(decide(accessOf(["acme", "globex"], true), undefined)).toMatch(
      /^No authorization header\..*several projects/,
    );
  });

  it("needs one from everybody when other machines reach it, and says why", () => {
    expect(decide(accessOf(["acme"], false), undefined)).toMatch(/^No authorization header\..*other machines/);
  });

  it.each([undefined, basic(acme), "Bearer pk-lf-acme"])("without keys takes everybody on loopback (%s)", (header) => {
    expect(decide(accessOf(["keyless"], true), header)).toBe("keyless");
  });

  it.each([
    ["the first", basic(acme)],
    ["the last", basic(globex)],
    ["none", basic({ ...acme, secretKey: "x" })],
  ])("compares with every project in constant time, also when %s matches", (_, authorization) => {
    const compare = vi.mocked(timingSafeEqual);
    compare.mockClear();
    accessOf(["acme", "globex"], false).decide(authorization);
    expect(compare).toHaveBeenCalledTimes(2);
    // Hashes: of one length, whatever is presented.
    expect(new Set(compare.mock.calls.flat().map((part) => part.byteLength))).toEqual(new Set([32]));
  });
});
