// Speaks for the public package truelayer-signing: signs requests for us, and
// verifies what we signed. Reads one JSON object from its input, and writes
// one.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(process.argv[2] + "/");
const { sign, verify, extractKid, extractJku } = require("truelayer-signing");
const input = JSON.parse(readFileSync(0, "utf8"));

const signed = input.sign.map((r) =>
  sign({ kid: input.kid, privateKeyPem: input.private_key, method: r.method, path: r.path, headers: r.headers, body: r.body }));

const verified = input.verify.map((r) => {
  try {
    verify({
      jwks: input.jwks, signature: r.signature, method: r.method, path: r.path, headers: r.headers, body: r.body,
      requiredHeaders: ["X-Tl-Webhook-Timestamp"],
    });
    return { kid: extractKid(r.signature), jku: extractJku(r.signature), problem: "" };
  } catch (error) {
    return { problem: String(error.message || error) };
  }
});
console.log(JSON.stringify({ signed, verified }));
