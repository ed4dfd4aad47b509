//! Pictures: those that the server offers, those of its datasets, and those that were dropped here. A dropped picture stays
//! in this browser, under a key made of its content, so that a reload still has it.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ImageSourceSchema } from "whyglass";
import { fetched, server } from "../server.ts";

export interface Picture {
  /** "sample/cat.png", "datasets/digits/items/7/12.png" or "drop/1f0c…": what an address calls it. */
  key: string;
  name: string;
  /** What the server is told. */
  source: MessageInitShape<typeof ImageSourceSchema>;
  /** Upright. */
  bitmap: ImageBitmap;
}

export async function sampleNames(): Promise<string[]> {
  const answer = await fetched("/samples/");
  return answer.ok ? ((await answer.json()) as string[]) : [];
}

export function sampleAddress(name: string): string {
  return `/samples/${encodeURIComponent(name)}`;
}

/** Reads a dropped file and remembers it. Throws what a person can be told. */
export async function dropped(file: File, maxBytes: number): Promise<Picture> {
  if (file.size > maxBytes) {
    const [size, most] = [file.size, maxBytes].map((bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`);
    throw new Error(`${file.name} has ${size}; this server takes ${most}. Save it smaller and drop it again.`);
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  const picture = encoded(`drop/${await digest(bytes)}`, file.name, bytes, await decoded(bytes, file.name));
  await keep(picture.key, { name: file.name, bytes });
  return picture;
}

/** The picture behind a key. Throws what a person can be told. */
export async function opened(key: string): Promise<Picture> {
  const [kind, name = ""] = key.split("/");
  if (kind === "datasets") return item(key);
  if (kind === "sample") {
    const answer = await fetched(sampleAddress(name));
    if (!answer.ok) throw new Error(`this server has no picture called ${name}`);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    return encoded(key, name, bytes, await decoded(bytes, name));
  }
  const kept = await recall(key);
  if (!kept) throw new Error("the picture of this link stayed in the browser that it was dropped in; drop it here again");
  return encoded(key, kept.name, kept.bytes, await decoded(kept.bytes, kept.name));
}

function encoded(key: string, name: string, bytes: Uint8Array<ArrayBuffer>, bitmap: ImageBitmap): Picture {
  return { key, name, source: { source: { case: "encoded", value: bytes } }, bitmap };
}

/** The longer side of the version of a dataset's picture that is shown; the model gets the picture itself. */
const ITEM_SIDE = 1024;

async function item(key: string): Promise<Picture> {
  const { image } = await server.datasets.getThumbnail({ item: key, size: ITEM_SIDE });
  const name = key.replace(/^datasets\/[^/]+\/items\//, "");
  const bytes = (image?.data ?? new Uint8Array()) as Uint8Array<ArrayBuffer>;
  return { key, name, source: { source: { case: "datasetItem", value: key } }, bitmap: await decoded(bytes, name) };
}

async function decoded(bytes: Uint8Array<ArrayBuffer>, name: string): Promise<ImageBitmap> {
  try {
    return await createImageBitmap(new Blob([bytes]), { imageOrientation: "from-image" });
  } catch {
    throw new Error(`${name} is no picture that this browser can show; use PNG, JPEG, WebP, BMP or GIF`);
  }
}

/** Short, and the same for the same content. Not for secrets: FNV-1a, as pages over plain HTTP have no SHA. */
async function digest(bytes: Uint8Array): Promise<string> {
  let hash = 0xcbf29ce484222325n;
  // A picture differs from another all over: every 61st byte tells them apart, with the length.
  for (let i = 0; i < bytes.length; i += 61) hash = ((hash ^ BigInt(bytes[i] ?? 0)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return `${hash.toString(16).padStart(16, "0")}${bytes.length.toString(16)}`;
}

interface Kept {
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
}

const STORE = "pictures";

function database(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("whyglass", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error ?? new Error("no database"));
  });
}

async function keep(key: string, kept: Kept): Promise<void> {
  try {
    (await database()).transaction(STORE, "readwrite").objectStore(STORE).put(kept, key);
  } catch {
    // A private window may have no database: the picture is then gone with a reload, and the page says so.
  }
}

async function recall(key: string): Promise<Kept | undefined> {
  try {
    const request = (await database()).transaction(STORE).objectStore(STORE).get(key);
    return await new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result as Kept | undefined);
      request.onerror = () => reject(request.error ?? new Error("no picture"));
    });
  } catch {
    return undefined;
  }
}
