//! Small versions of pictures, each asked for once. `<img>` cannot show a token, so that they are fetched and kept here.

import { fetched, server } from "../server.ts";

/** The longer side in pixels; small pictures keep their size. */
const SIDE = 96;
/** Of them so many are kept. */
const MOST = 2000;

const kept = new Map<string, Promise<string>>();

/** An address of the picture behind "sample/cat.png" or "datasets/{dataset}/items/{item}". */
export function thumbnail(key: string): Promise<string> {
  let address = kept.get(key);
  if (!address) {
    address = made(key);
    kept.set(key, address);
    // One that failed may be there the next time.
    address.catch(() => kept.delete(key));
    const [oldest] = kept.keys();
    if (kept.size > MOST && oldest !== undefined) forget(oldest);
  }
  return address;
}

function forget(key: string): void {
  void kept.get(key)?.then((address) => URL.revokeObjectURL(address));
  kept.delete(key);
}

async function made(key: string): Promise<string> {
  if (key.startsWith("sample/")) {
    const answer = await fetched(`/samples/${encodeURIComponent(key.slice("sample/".length))}`);
    if (!answer.ok) throw new Error(`there is no picture ${key}`);
    return URL.createObjectURL(await answer.blob());
  }
  const { image } = await server.datasets.getThumbnail({ item: key, size: SIDE });
  return URL.createObjectURL(new Blob([image?.data as Uint8Array<ArrayBuffer>], { type: "image/jpeg" }));
}
