//! The services of a server as typed clients, and lists that come in pages as one list.

import { type Client, type Transport, createClient } from "@connectrpc/connect";
import { AdminService } from "../gen/whyglass/v1/admin_pb.ts";
import { CatalogService } from "../gen/whyglass/v1/catalog_pb.ts";
import { DatasetService } from "../gen/whyglass/v1/dataset_pb.ts";
import { ExplainService } from "../gen/whyglass/v1/explain_pb.ts";
import { ModelService } from "../gen/whyglass/v1/model_pb.ts";

export interface Services {
  catalog: Client<typeof CatalogService>;
  models: Client<typeof ModelService>;
  datasets: Client<typeof DatasetService>;
  explain: Client<typeof ExplainService>;
  admin: Client<typeof AdminService>;
}

export function services(transport: Transport): Services {
  return {
    catalog: createClient(CatalogService, transport),
    models: createClient(ModelService, transport),
    datasets: createClient(DatasetService, transport),
    explain: createClient(ExplainService, transport),
    admin: createClient(AdminService, transport),
  };
}

/** All items of a list, page after page. `next` asks for the page behind a token and gives its items and the next token. */
export async function all<T>(next: (pageToken: string) => Promise<[T[], string]>): Promise<T[]> {
  const items: T[] = [];
  let token = "";
  do {
    const [page, following] = await next(token);
    items.push(...page);
    token = following;
  } while (token !== "");
  return items;
}
