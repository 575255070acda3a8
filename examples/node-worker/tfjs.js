// TensorFlow.js: eager, on its CPU backend in JavaScript and, as the variant `wasm`, on its WebAssembly backend.
//
// - softmax and logSoftmax take the last axis alone; any other is an exception of their own, said to be unsupported.
// - softmax takes float32 alone, logSoftmax integers too.
// - A gradient has no gradient: tf.grad of tf.grad(logSoftmax) finds no path from y to x.
// - The names of its dtypes are NumPy's.

import tf from "@tensorflow/tfjs";

import { bytesOf } from "./messages.js";
import { Unsupported } from "./unsupported.js";

const VALUES = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };

const OPS = {
  softmax: (x, axis) => tf.softmax(x, axis),
  log_softmax: (x, axis) => tf.logSoftmax(x, axis),
  exp: (x) => tf.exp(x),
};

/** Way → the op with it, a function of x, the axis (undefined where none is named) and the operand. */
const WAYS = {
  plain: (op, x, axis) => op(x, axis),
  default: (op, x) => op(x),
  multiply: (op, x, axis, o) => op(tf.mul(x, o), axis),
  divide: (op, x, axis, o) => op(tf.div(x, o), axis),
  add: (op, x, axis, o) => op(tf.add(x, o), axis),
  fill: (op, x, axis, o) => op(tf.where(tf.notEqual(o, 0), x, -Infinity), axis),
};

const BACKENDS = { "": "cpu", wasm: "wasm" };

/** The adapter, with the backend of a variant in use. */
export async function load(variant) {
  if (!(variant in BACKENDS)) throw new Error(`there is no variant ${variant}`);
  const versions = { "@tensorflow/tfjs": tf.version.tfjs };
  if (variant === "wasm") {
    const wasm = await import("@tensorflow/tfjs-backend-wasm");
    versions["@tensorflow/tfjs-backend-wasm"] = wasm.version_wasm;
  }
  if (!(await tf.setBackend(BACKENDS[variant]))) throw new Error(`the backend ${BACKENDS[variant]} does not start`);
  await tf.ready();
  return {
    name: "tfjs",
    version: tf.version.tfjs,
    versions,
    modes: ["eager"],
    devices: ["cpu"],
    ways: Object.keys(WAYS),
    variants: Object.keys(BACKENDS),
    carry: (array) => tf.tidy(() => fetched(sent(array))),
    call: (request) => tf.tidy(() => called(request)),
    forget() {},
    refuses: (error) => /must be \w+ tensor, but got/.test(error.message),
  };
}

function called({ op, way, axis, arrays, threads }) {
  if (threads !== undefined) throw new Unsupported("TensorFlow.js cannot change its number of threads");
  const name = op.replace(/_vjp$/, "");
  if (!(name in OPS)) throw new Unsupported(`TensorFlow.js has no ${op}`);
  const given = arrays.map(sent);
  const [x, second] = given;
  const derived = name !== op;
  if (!(way in WAYS) || (derived && way !== "plain")) throw new Unsupported(`TensorFlow.js has no ${op} called ${way}`);
  try {
    const answer = derived
      ? tf.grad((logits) => OPS[name](logits, axis))(x, second)
      : WAYS[way](OPS[name], x, axis, second);
    return { answer: fetched(answer), given: given.map((tensor) => fetched(tensor).bytes) };
  } catch (error) {
    const inRange = -x.rank <= axis && axis < x.rank;
    if (inRange && /along a non-last dimension is not yet supported/.test(error.message)) {
      throw new Unsupported(error.message);
    }
    throw error;
  }
}

function sent({ dtype, shape, bytes }) {
  if (!(dtype in VALUES)) throw new Unsupported(`this worker has no tensors of ${dtype} for TensorFlow.js`);
  return tf.tensor(new VALUES[dtype](bytes.slice().buffer), shape, dtype);
}

function fetched(tensor) {
  return { dtype: tensor.dtype, storage: tensor.dtype, shape: tensor.shape, bytes: bytesOf(tensor.dataSync()).slice() };
}
