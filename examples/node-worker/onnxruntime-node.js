// ONNX Runtime for Node: a graph of one node of opset 13, on the CPU.
//
// - A session is made for each operator, dtype, axis, rank and number of threads, with all lengths left open, and kept.
// - A tensor of float16 holds its bits in a Uint16Array where the engine has no Float16Array; there is no tensor of bfloat16 in JavaScript.
// - A tensor is a view of JavaScript's memory: what carries bits into the runtime and back is a graph of one Identity.

import * as ort from "onnxruntime-node";

import { bytesOf } from "./messages.js";
import { ELEMENT_TYPES, model } from "./onnx-model.js";
import { Unsupported } from "./unsupported.js";

const OPSET = 13;
const OPERATORS = { softmax: "Softmax", log_softmax: "LogSoftmax", exp: "Exp" };

const VALUES = {
  float64: Float64Array, float32: Float32Array, float16: globalThis.Float16Array ?? Uint16Array, bool: Uint8Array,
  int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array,
};

const sessions = new Map();

/** The adapter; there is one variant. */
export async function load(variant) {
  if (variant !== "") throw new Error(`there is no variant ${variant}`);
  ort.env.logLevel = "fatal";
  return {
    name: "onnxruntime-node",
    version: ort.env.versions.node,
    versions: { "onnxruntime-node": ort.env.versions.node },
    modes: [`opset${OPSET}`],
    devices: ["cpu"],
    ways: ["plain", "default"],
    variants: [""],
    async carry(array) {
      return fetched(await ran("Identity", sent(array)));
    },
    call: called,
    forget: () => sessions.clear(),
    refuses: (error) => /NOT_IMPLEMENTED|Could not find an implementation/.test(error.message),
  };
}

async function called({ op, way, axis, arrays, threads }) {
  if (!(op in OPERATORS)) throw new Unsupported(`ONNX has no operator for ${op}`);
  const x = sent(arrays[0]);
  const answer = await ran(OPERATORS[op], x, op === "exp" || way === "default" ? {} : { axis }, threads);
  return { answer: fetched(answer), given: [bytesOf(x.data)] };
}

async function ran(operator, x, attributes = {}, threads = 0) {
  const key = JSON.stringify([operator, x.type, x.dims.length, attributes, threads]);
  if (!sessions.has(key)) {
    const bytes = model({ operator, opset: OPSET, dtype: x.type, rank: x.dims.length, attributes });
    const options = { executionProviders: ["cpu"], intraOpNumThreads: threads, logSeverityLevel: 4 };
    sessions.set(key, await ort.InferenceSession.create(bytes, options));
  }
  return (await sessions.get(key).run({ x })).y;
}

function sent({ dtype, shape, bytes }) {
  if (!(dtype in VALUES) || !(dtype in ELEMENT_TYPES)) throw new Unsupported(`ONNX Runtime has no tensors of ${dtype} in JavaScript`);
  return new ort.Tensor(dtype, new VALUES[dtype](bytes.slice().buffer), shape);
}

function fetched(tensor) {
  return { dtype: tensor.type, storage: tensor.type, shape: [...tensor.dims], bytes: bytesOf(tensor.data).slice() };
}
