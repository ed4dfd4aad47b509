//! The calls through connect-web in a browser: the script of a page of the open server. `globalThis.conform` makes them.

import type { DescMethodStreaming, DescMethodUnary } from "@bufbuild/protobuf";
import { ConnectError, type Transport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { type Caller, type Places, type Step, drive } from "./drive.ts";

const transport = (server: string): Transport => createGrpcWebTransport({ baseUrl: `http://${server}` });

const caller: Caller = {
  unary: async (server, method, request, headers) =>
    (await transport(server).unary(method as DescMethodUnary, undefined, undefined, headers, request)).message,
  async *stream(server, method, request, headers) {
    const end = new AbortController();
    const one = (async function* () {
      yield request;
    })();
    try {
      yield* (await transport(server).stream(method as DescMethodStreaming, end.signal, undefined, headers, one)).message;
    } finally {
      end.abort();
    }
  },
  failure(thrown) {
    const error = ConnectError.from(thrown);
    const details = error.details.flatMap((detail) => ("type" in detail ? [{ typeUrl: detail.type, value: detail.value }] : []));
    return { code: error.code, message: error.rawMessage, details };
  },
};

Object.assign(globalThis, { conform: (steps: Step[], places: Places) => drive(steps, places, caller) });
