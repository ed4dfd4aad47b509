//! A client of a Whyglass server, for browsers and for Node: pass it the transport of `@connectrpc/connect-web` or
//! `@connectrpc/connect-node`. Messages are those of the .proto files.

export * from "../gen/whyglass/v1/admin_pb.ts";
export * from "../gen/whyglass/v1/catalog_pb.ts";
export * from "../gen/whyglass/v1/dataset_pb.ts";
export * from "../gen/whyglass/v1/explain_pb.ts";
export * from "../gen/whyglass/v1/model_pb.ts";
export * from "../gen/whyglass/v1/types_pb.ts";
export { Artifact } from "./artifact.ts";
export { type Services, services, all } from "./services.ts";
export { WhyglassError } from "./errors.ts";
export { readNpy, writeNpy, type Npy } from "./npy.ts";
export { floats } from "./tensor.ts";
export { watchGroup, type Listener } from "./watch.ts";
export { explain } from "./explain.ts";
export { readArtifact } from "./read.ts";
export { uuid } from "./uuid.ts";
