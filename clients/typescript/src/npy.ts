//! NumPy's .npy files, version 1: float32, row-major.

export interface Npy {
  shape: number[];
  values: Float32Array;
}

const MAGIC = "\x93NUMPY\x01\x00";

export function writeNpy(shape: readonly number[], values: Float32Array): Uint8Array {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${tuple}), }`;
  const unpadded = MAGIC.length + 2 + header.length + 1;
  const length = Math.ceil(unpadded / 64) * 64;
  const bytes = new Uint8Array(length + values.byteLength).fill(0x20);
  for (const [at, text] of [[0, MAGIC], [10, header]] as const) {
    for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  }
  new DataView(bytes.buffer).setUint16(8, length - 10, true);
  bytes[length - 1] = 0x0a;
  bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), length);
  return bytes;
}

export function readNpy(bytes: Uint8Array): Npy {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 10 + view.getUint16(8, true);
  const header = String.fromCharCode(...bytes.subarray(10, start));
  const shape = /'shape': \(([^)]*)\)/.exec(header)?.[1];
  if (!header.includes("'<f4'") || shape === undefined) throw new Error(`not a float32 array: ${header.trim()}`);
  const sides = shape.split(",").map((side) => side.trim()).filter(Boolean).map(Number);
  return { shape: sides, values: new Float32Array(bytes.slice(start).buffer) };
}
