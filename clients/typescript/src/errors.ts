//! What went wrong, as the server said it: its reason, the fields that it is about, and when to try again.

import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";

/** What browsers say of a server that they do not reach, whatever the reason. */
const WORDLESS = new Set(["Failed to fetch", "NetworkError when attempting to fetch resource.", "Load failed", "network error", "fetch failed"]);
const UNREACHABLE = "the server cannot be reached: it does not run, the network is away, or its certificate is not accepted";

export interface FieldViolation {
  /** As in the request: "specs[0].params.size". */
  field: string;
  description: string;
}

export class WhyglassError extends Error {
  override readonly name = "WhyglassError";

  constructor(
    message: string,
    readonly code: Code,
    /** UPPER_SNAKE; empty where the server gave none. */
    readonly reason: string,
    readonly fields: FieldViolation[],
    readonly retryAfterMs: number | undefined,
  ) {
    super(message);
  }

  /** Whether the server could not be reached, or went away: what was asked for may be asked again. */
  get isLost(): boolean {
    return this.reason === "" && [Code.Unavailable, Code.Unknown, Code.Internal, Code.Aborted].includes(this.code);
  }

  /** Anything that was thrown, understood. */
  static from(thrown: unknown): WhyglassError {
    if (thrown instanceof WhyglassError) return thrown;
    const error = ConnectError.from(thrown);
    const info = error.findDetails(ErrorInfoSchema)[0];
    const fields = error.findDetails(BadRequestSchema).flatMap((request) => request.fieldViolations);
    const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
    const retry = delay && Number(delay.seconds) * 1000 + delay.nanos / 1e6;
    const plain = fields.map(({ field, description }) => ({ field, description }));
    const message = WORDLESS.has(error.rawMessage) ? UNREACHABLE : error.rawMessage;
    return new WhyglassError(message, error.code, info?.reason ?? "", plain, retry);
  }
}
