//! Tensors as typed arrays. The wire is little-endian, as every machine that runs a browser is.

import { DataType, type Tensor } from "../gen/whyglass/v1/types_pb.ts";

/** The elements as float32; a view where they are that already and lie aligned. */
export function floats(tensor: Tensor): Float32Array {
  const { data, dataType } = tensor;
  switch (dataType) {
    case DataType.F32:
      if (data.byteOffset % 4 === 0) return new Float32Array(data.buffer, data.byteOffset, data.byteLength >> 2);
      return new Float32Array(data.slice().buffer);
    case DataType.U8:
      return Float32Array.from(data);
    case DataType.I64:
      return Float32Array.from(new BigInt64Array(data.slice().buffer), Number);
    default:
      throw new Error(`a tensor of type ${DataType[dataType] ?? dataType} cannot be read`);
  }
}

export function shapeOf(tensor: Tensor): number[] {
  return tensor.shape.map(Number);
}
