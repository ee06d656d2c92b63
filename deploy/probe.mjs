// Asks the sidecar of this container: `node probe.mjs /livez` or `/readyz`. Exit code 0: all is well; else 1, with the
// answer, which has the reasons, on stderr. For images without curl.
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import process from "node:process";

const { SPAN_BUFFER_PORT: port = "4318", SPAN_BUFFER_TLS_CERTIFICATE_FILE: certificate } = process.env;
const request = certificate === undefined ? requestHttp : requestHttps;
const options = {
  host: "127.0.0.1",
  port,
  path: process.argv[2] ?? "/livez",
  timeout: 4_000,
  // The certificate is for the name that clients use, and this stays within the container.
  rejectUnauthorized: false,
};

request(options, (response) => {
  let answer = "";
  response.on("data", (chunk) => (answer += chunk));
  response.on("end", () => end(response.statusCode === 200, answer));
})
  .on("timeout", () => end(false, `no answer within ${options.timeout} ms`))
  .on("error", (error) => end(false, error.message))
  .end();

function end(isWell, words) {
  if (!isWell) process.stderr.write(`${words}\n`);
  process.exit(isWell ? 0 : 1);
}
