// Reads URIs, one JSON text in a line, with the parser of Node; answers with one reading in a line.
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
  let reading = null;
  try {
    const url = new URL(JSON.parse(line));
    reading = {
      host: url.hostname,
      port: url.port === "" ? null : Number(url.port),
      path: url.pathname,
      query: url.search === "" ? null : url.search.slice(1),
    };
  } catch {}
  console.log(JSON.stringify(reading));
}
