import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { MigrationError } from "../../base/errors.ts";
import type { ProgressEvent } from "../../migration/progress.ts";
import { METRICS_CONTENT_TYPE, type MetricsFormat } from "../../report/open-metrics.ts";
import { formatAddress, parseAddress } from "../../transport/address.ts";
import type { Context } from "../context.ts";
import { MetricsKeeper } from "./metrics-keeper.ts";
import type { Beginning, Ending, Onlooker } from "./onlooker.ts";
import { StandStill } from "./stand-still.ts";

const PATH = "/metrics";

/** For how long a request may take to come (ms), and how many may come at once. */
const REQUEST_MS = 5000;
const CONNECTIONS_MAX = 16;

/** For how long an answer that is being read is waited for in the end (ms). */
const GRACE_MS = 500;

/** How an endpoint is reached, and for how long. */
export interface EndpointOptions {
  /** tcp://HOST:PORT */
  readonly address: string;
  /** For how long the last values can be read when all is over. */
  readonly lingerMs: number;
}

/** Has metrics read over HTTP, from now on until some time after the end. */
export class MetricsEndpoint implements Onlooker {
  readonly #context: Context;
  readonly #lingerMs: number;
  readonly #keeper: MetricsKeeper;
  readonly #server: Server;
  #hasBegun = false;
  readonly #answers: (() => void)[] = [];
  readonly #standStill = new StandStill(() => this.#answer());

  private constructor(context: Context, lingerMs: number) {
    this.#context = context;
    this.#lingerMs = lingerMs;
    this.#keeper = new MetricsKeeper(context.clock);
    const limits = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS };
    this.#server = createServer(limits, (request, response) => this.#take(request, response));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** @throws MigrationError TRANSPORT_ADDRESS, TRANSPORT_OPEN */
  static async open(context: Context, options: EndpointOptions): Promise<MetricsEndpoint> {
    const address = parseAddress(options.address);
    if (address.kind !== "tcp") {
      const expected = "tcp://HOST:PORT";
      throw new MigrationError("TRANSPORT_ADDRESS", { address: options.address, expected });
    }
    const endpoint = new MetricsEndpoint(context, options.lingerMs);
    await endpoint.#listen(address.host, address.port);
    return endpoint;
  }

  listens(): void {}

  begins(beginning: Beginning): void {
    this.#hasBegun = true;
    this.#keeper.begins(beginning);
  }

  names(guest: string): void {
    this.#keeper.names(guest);
  }

  sees(event: ProgressEvent): void {
    this.#standStill.sees(event);
    this.#keeper.sees(event);
  }

  ends(ending: Ending): void {
    this.#keeper.ends(ending);
  }

  async close(): Promise<void> {
    const { signal, note } = this.#context;
    if (this.#lingerMs > 0 && this.#hasBegun && !signal.aborted) {
      note(`metrics can be read for ${this.#lingerMs / 1000} s more; Ctrl-C ends that`);
      await sleep(this.#lingerMs, undefined, { signal }).catch(() => undefined);
    }
    this.#standStill.stop();
    this.#answer();
    if (this.#server.listening) {
      const closed = once(this.#server, "close");
      this.#server.close();
      await Promise.race([closed, sleep(GRACE_MS, undefined, { ref: false })]);
      this.#server.closeAllConnections();
    }
  }

  async #listen(host: string, port: number): Promise<void> {
    try {
      this.#server.listen({ host, port });
      await once(this.#server, "listening");
    } catch (error) {
      const address = formatAddress({ kind: "tcp", host, port });
      throw new MigrationError("TRANSPORT_OPEN", { address }, error);
    }
    const bound = this.#server.address();
    const taken = bound !== null && typeof bound === "object" ? bound.port : port;
    const shown = host.includes(":") ? `[${host}]` : host;
    this.#context.note(`metrics: http://${shown}:${taken}${PATH}`);
  }

  /** A guest that stands still does not wait for an answer to be made; the reader does. */
  #take(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = "" } = request;
    if (url.split("?")[0] !== PATH) {
      response.writeHead(404, { "Content-Type": "text/plain" }).end(`metrics are at ${PATH}\n`);
    } else if (method !== "GET" && method !== "HEAD") {
      response.writeHead(405, { Allow: "GET, HEAD" }).end();
    } else {
      const format = formatFor(request.headers.accept);
      this.#answers.push(() => {
        const headers = { "Content-Type": METRICS_CONTENT_TYPE[format], Connection: "close" };
        response.writeHead(200, headers).end(this.#keeper.text(format));
      });
      this.#standStill.schedule();
    }
  }

  #answer(): void {
    for (const answer of this.#answers.splice(0)) {
      answer();
    }
  }
}

/** OpenMetrics, unless only the older format is accepted. */
function formatFor(accept = ""): MetricsFormat {
  const isOlder = accept.includes("text/plain") && !accept.includes("openmetrics");
  return isOlder ? "prometheus" : "openmetrics";
}
