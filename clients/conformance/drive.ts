//! Makes the calls of a table through any library, and gives what came of each as JSON. What differs between libraries is
//! a `Caller`.

import { type DescMethod, type Message, createRegistry, fromBinary, fromJson, toJson } from "@bufbuild/protobuf";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema, file_google_rpc_error_details } from "../typescript/gen/google/rpc/error_details_pb.ts";
import { AdminService } from "../typescript/gen/whyglass/v1/admin_pb.ts";
import { CatalogService } from "../typescript/gen/whyglass/v1/catalog_pb.ts";
import { DatasetService } from "../typescript/gen/whyglass/v1/dataset_pb.ts";
import { ExplainService } from "../typescript/gen/whyglass/v1/explain_pb.ts";
import { ModelService } from "../typescript/gen/whyglass/v1/model_pb.ts";

export interface Step {
  name: string;
  call: string;
  request: unknown;
  server?: string;
  token?: string;
  loose?: boolean;
  until?: Record<string, number>;
  keep?: Record<string, string>;
}

export interface Places {
  open: string;
  guarded: string;
  tokens: Record<string, string>;
}

/** What a library throws, in its own words, taken apart. */
export interface Failure {
  code: number;
  message: string;
  details: { typeUrl: string; value: Uint8Array }[];
}

export interface Caller {
  unary(server: string, method: DescMethod, request: Message, headers: Record<string, string>): Promise<Message>;
  stream(server: string, method: DescMethod, request: Message, headers: Record<string, string>): AsyncIterable<Message>;
  /** Throws what is no failure of a call. */
  failure(thrown: unknown): Failure;
}

const SERVICES = [AdminService, CatalogService, DatasetService, ExplainService, ModelService];
const registry = createRegistry(file_google_rpc_error_details);

export async function drive(steps: Step[], places: Places, caller: Caller): Promise<Record<string, unknown>> {
  const kept: Record<string, string> = {};
  const results: Record<string, unknown> = {};
  for (const step of steps) {
    const method = found(step.call);
    const request = fromJson(method.input, filled(step.request, kept) as never);
    const token = step.token && places.tokens[step.token];
    const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
    const server = step.server === "guarded" ? places.guarded : places.open;
    try {
      if (method.methodKind === "unary") {
        const answer = plain(method, await caller.unary(server, method, request, headers));
        keep(step, answer, kept);
        results[step.name] = { answer: step.loose ? "loose" : answer };
      } else {
        results[step.name] = await streamed(caller.stream(server, method, request, headers), method, step, kept);
      }
    } catch (thrown) {
      results[step.name] = { error: failed(caller.failure(thrown)) };
    }
  }
  return results;
}

function found(call: string): DescMethod {
  const [service, name] = call.split("/");
  const method = SERVICES.find(({ name }) => name === service)?.methods.find((method) => method.name === name);
  if (!method) throw new Error(`there is no ${call}`);
  return method;
}

type Json = Record<string, unknown>;

async function streamed(stream: AsyncIterable<Message>, method: DescMethod, step: Step, kept: Record<string, string>): Promise<Json> {
  const told: Json = {};
  const kinds = new Set<string>();
  const seen: Record<string, number> = {};
  const pieces: Uint8Array[] = [];
  for await (const message of stream) {
    if (method.name === "ReadArtifact") {
      pieces.push((message as unknown as { data: Uint8Array }).data);
      continue;
    }
    const answer = plain(method, message);
    if (answer.accepted) {
      keep(step, answer, kept);
      continue;
    }
    const event = answer.event as Json;
    const kind = ["stateChanged", "started", "progress", "keyframe", "tiles", "metrics", "notice", "heartbeat", "finished"].find((kind) => kind in event) ?? "";
    kinds.add(kind);
    seen[kind] = (seen[kind] ?? 0) + 1;
    if (kind === "started" || kind === "finished") told[kind] = event[kind];
    if (Object.entries(step.until ?? {}).some(([kind, count]) => seen[kind] === count)) {
      if (step.keep?.seen) kept.seen = String(event.sequence);
      return { until: Object.keys(step.until ?? {}).sort() };
    }
  }
  return { kinds: ["finished", "started"].filter((kind) => kinds.has(kind)), sha256: await sha256(pieces), ...told };
}

async function sha256(pieces: Uint8Array[]): Promise<string> {
  const whole = new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function failed({ code, message, details }: Failure): Json {
  const told: Json = { code, message, reason: "", fields: [], retry: "" };
  for (const { typeUrl, value } of details) {
    switch (typeUrl.split("/").at(-1)) {
      case ErrorInfoSchema.typeName: {
        const { reason, domain } = fromBinary(ErrorInfoSchema, value);
        Object.assign(told, { reason, domain });
        break;
      }
      case BadRequestSchema.typeName:
        told.fields = fromBinary(BadRequestSchema, value).fieldViolations.map(({ field, description }) => [field, description]);
        break;
      case RetryInfoSchema.typeName: {
        const { seconds = 0n, nanos = 0 } = fromBinary(RetryInfoSchema, value).retryDelay ?? {};
        told.retry = `${seconds}.${String(nanos).padStart(9, "0")}`;
        break;
      }
    }
  }
  return told;
}

function plain(method: DescMethod, message: Message): Json {
  return toJson(method.output, message, { registry }) as Json;
}

function filled(value: unknown, kept: Record<string, string>): unknown {
  if (Array.isArray(value)) return value.map((inner) => filled(inner, kept));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, filled(inner, kept)]));
  }
  if (typeof value !== "string" || !value.startsWith("$")) return value;
  return value.slice(1).replace(/^\w+/, (name) => kept[name] ?? "");
}

function keep(step: Step, answer: Json, kept: Record<string, string>): void {
  for (const [name, path] of Object.entries(step.keep ?? {})) {
    if (path === "sequence") continue;
    kept[name] = String(path.split(".").reduce<unknown>((at, part) => (at as Json)[part], answer));
  }
}
