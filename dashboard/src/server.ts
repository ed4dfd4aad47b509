//! The server that this page came from. The one place that knows how it is reached.

import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { services } from "whyglass";

const TOKEN = "whyglass.token";

/** A bearer token that the reader typed, for as long as this tab lives. */
export const token = {
  get: (): string => sessionStorage.getItem(TOKEN) ?? "",
  set: (value: string): void => sessionStorage.setItem(TOKEN, value),
};

const transport = createGrpcWebTransport({
  baseUrl: location.origin,
  interceptors: [
    (next) => (request) => {
      if (token.get()) request.header.set("Authorization", `Bearer ${token.get()}`);
      return next(request);
    },
  ],
});

/** A file of this server, with the token where there is one. */
export function fetched(path: string): Promise<Response> {
  return fetch(path, token.get() ? { headers: { Authorization: `Bearer ${token.get()}` } } : {});
}

export const server = services(transport);
