// A worker in JavaScript, written from docs/protocol.md: TensorFlow.js, and ONNX Runtime for Node.
//
//   conformance run --worker 'tfjs=node examples/node-worker/worker.js' --tier smoke
//
// The framework that the hello names is the adapter that is loaded.  An adapter has `name`, `version`, `versions`, `modes`,
// `devices`, `ways` and `variants`, `carry(array, device)`, and `call(request)`, which returns {answer, given}: the answer
// and what the arrays that were handed over are afterwards.

import { Console } from "node:console";

import { Requests, write } from "./messages.js";
import { Unsupported } from "./unsupported.js";

const PROTOCOL = 1;
const ADAPTERS = { tfjs: "./tfjs.js", "onnxruntime-node": "./onnxruntime-node.js" };

// Replies alone go to the standard output: whatever else is printed belongs on the standard error.  Node's own stream of
// it is never made, which would let its descriptor return before all is written.
Object.defineProperty(process, "stdout", { get: () => process.stderr });
globalThis.console = new Console(process.stderr);

let adapter;

async function hello({ protocol, framework, variant, kernel }) {
  if (protocol !== PROTOCOL) return [{ type: "refused", why: `this worker speaks protocol ${PROTOCOL}` }];
  if (kernel) return [{ type: "refused", why: "this worker calls no function of somebody's own" }];
  if (!(framework in ADAPTERS)) {
    return [{ type: "absent", why: `this worker has ${Object.keys(ADAPTERS).join(" and ")}`, installed: false }];
  }
  const start = performance.now();
  try {
    adapter = await (await import(ADAPTERS[framework])).load(variant);
  } catch (error) {
    const missing = error.code === "ERR_MODULE_NOT_FOUND";
    const why = missing ? "not installed; `npm ci` in the folder of the worker installs it" : described(error);
    return [{ type: "absent", why, installed: !missing }];
  }
  const { name, version, versions, modes, devices, ways, variants } = adapter;
  return [
    {
      type: "hello", protocol: PROTOCOL, framework: name, variant, version, variants, modes, compiled: [], devices, ways,
      layouts: [], controls: {}, watched: false, seconds: elapsed(start),
      versions: { node: process.versions.node, ...versions },
    },
  ];
}

async function call(request) {
  const before = request.arrays.map(({ bytes }) => Uint8Array.from(bytes));
  const start = performance.now();
  const more = { seconds: 0, side_effects: [], spoiled: false };
  try {
    const { answer, given } = await adapter.call(request);
    more.seconds = elapsed(start);
    const wrote = given.some((bytes, i) => Buffer.compare(bytes, before[i]) !== 0);
    return [{ type: "answered", wrote_input: wrote, ...more }, [answer]];
  } catch (error) {
    return [{ ...raised(error), ...more, seconds: elapsed(start) }];
  }
}

async function carry({ arrays: [array], device }) {
  return [{ type: "carried" }, [await adapter.carry(array, device)]];
}

function program() {
  return [{ type: "raised", error: "a call of this worker is JavaScript, and no program in Python" }];
}

function forget() {
  adapter.forget();
  return [{ type: "done" }];
}

/** What an exception is: `refusal` where a dtype or a call is not supported, `unsupported` where no numbers would help. */
function raised(error) {
  const unsupported = error instanceof Unsupported;
  return {
    type: "raised",
    error: unsupported ? error.message : described(error),
    place: "",
    unsupported,
    refusal: unsupported || Boolean(adapter?.refuses(error)),
  };
}

function described(error) {
  const [first] = String(error?.message ?? error).trim().split("\n");
  return `${error?.name ?? "Error"}: ${first}`.slice(0, 300);
}

function elapsed(start) {
  return (performance.now() - start) / 1000;
}

const ANSWERS = { hello, call, carry, program, forget };

const requests = new Requests(0);
for (let request; (request = requests.next()) !== null; ) {
  let reply;
  if (!Object.hasOwn(ANSWERS, request.type)) {
    reply = [{ type: "refused", why: `this worker does not answer ${request.type}` }];
  } else {
    try {
      reply = await ANSWERS[request.type](request);
    } catch (error) {
      reply = [raised(error)];
    }
  }
  const [message, arrays] = reply;
  write(1, "id" in request ? { ...message, id: request.id } : message, arrays);
}
process.exit(0); // a framework's threads must not keep the process
