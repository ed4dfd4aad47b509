//! The calls through grpc-js in Node: `node node.mjs CALLS PLACES`.

import { readFileSync } from "node:fs";
import * as grpc from "@grpc/grpc-js";
import { type Message, fromBinary, toBinary } from "@bufbuild/protobuf";
import { StatusSchema } from "../typescript/gen/google/rpc/status_pb.ts";
import { type Caller, type Places, type Step, drive } from "./drive.ts";

const clients = new Map<string, grpc.Client>();

function client(server: string): grpc.Client {
  const known = clients.get(server) ?? new grpc.Client(server, grpc.credentials.createInsecure());
  clients.set(server, known);
  return known;
}

function metadata(headers: Record<string, string>): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

const caller: Caller = {
  unary: (server, method, request, headers) =>
    new Promise((resolve, reject) => {
      client(server).makeUnaryRequest(
        `/${method.parent.typeName}/${method.name}`,
        (message: Message) => Buffer.from(toBinary(method.input, message)),
        (bytes) => fromBinary(method.output, bytes),
        request,
        metadata(headers),
        (error, answer) => (error ? reject(error) : resolve(answer as Message)),
      );
    }),
  async *stream(server, method, request, headers) {
    const call = client(server).makeServerStreamRequest(
      `/${method.parent.typeName}/${method.name}`,
      (message: Message) => Buffer.from(toBinary(method.input, message)),
      (bytes) => fromBinary(method.output, bytes),
      request,
      metadata(headers),
    );
    try {
      for await (const message of call) yield message as Message;
    } finally {
      call.cancel();
    }
  },
  failure(thrown) {
    const { code, details, metadata } = thrown as grpc.ServiceError;
    if (code === undefined) throw thrown;
    const [packed] = metadata?.get("grpc-status-details-bin") ?? [];
    const status = packed instanceof Buffer ? fromBinary(StatusSchema, packed) : undefined;
    // grpc-js leaves characters encoded that are reserved in addresses: a question mark arrives as %3F.
    return { code, message: decodeURIComponent(details), details: status?.details ?? [] };
  },
};

const [, , calls = "", places = ""] = process.argv;
const read = (path: string) => JSON.parse(readFileSync(path, "utf8")) as unknown;
const results = await drive(read(calls) as Step[], read(places) as Places, caller);
for (const client of clients.values()) client.close();
console.log(JSON.stringify(results));
