// The bytes of an ONNX model of one node, written in the wire format of Protocol Buffers.  Numbers of fields are those of
// onnx.proto: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.

const VARINT = 0;
const LENGTH_DELIMITED = 2;

const IR_VERSION = 8;
const ATTRIBUTE_INT = 2;

/** ONNX's number of each element type. */
export const ELEMENT_TYPES = {
  float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11, uint32: 12,
  uint64: 13,
};

/** A model of one node from `x` to `y`, arrays of one element type and rank whose lengths are left open. */
export function model({ operator, opset, dtype, rank, attributes = {} }) {
  const array = (name) => [text(1, name), message(2, message(1, number(1, ELEMENT_TYPES[dtype]), message(2, ...lengths(rank))))];
  const node = [text(1, "x"), text(2, "y"), text(4, operator)];
  for (const [name, value] of Object.entries(attributes)) {
    node.push(message(5, text(1, name), number(3, value), number(20, ATTRIBUTE_INT)));
  }
  const graph = [message(1, ...node), text(2, "graph"), message(11, ...array("x")), message(12, ...array("y"))];
  return Buffer.concat([number(1, IR_VERSION), message(7, ...graph), message(8, number(2, opset))]);
}

function lengths(rank) {
  return Array.from({ length: rank }, (_, i) => message(1, text(2, `d${i}`)));
}

function varint(value) {
  const bytes = [];
  let left = BigInt.asUintN(64, BigInt(value)); // a negative number has ten bytes
  do {
    bytes.push(Number(left & 0x7fn) | (left > 0x7fn ? 0x80 : 0));
    left >>= 7n;
  } while (left > 0n);
  return Buffer.from(bytes);
}

function number(field, value) {
  return Buffer.concat([varint((field << 3) | VARINT), varint(value)]);
}

function message(field, ...parts) {
  const body = Buffer.concat(parts);
  return Buffer.concat([varint((field << 3) | LENGTH_DELIMITED), varint(body.length), body]);
}

function text(field, value) {
  return message(field, Buffer.from(value, "utf8"));
}
