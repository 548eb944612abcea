// Runs in Node: answers pictures by the expression net of an npm package, on TensorFlow.js's WebAssembly backend.
//
// `node npm_child.mjs face-api|human FOLDER`, where FOLDER has their node_modules. child.py documents the messages.
// In Node that backend uses one thread: it knows threads in browsers only.

import { createRequire } from "node:module";
import { readFileSync, writeSync } from "node:fs";
import path from "node:path";

const HEAD = 5, SHAPE = 16;
const [name, folder] = process.argv.slice(2);
const modules = path.join(folder, "node_modules");
const require = createRequire(path.join(folder, "package.json"));

for (const method of ["log", "info", "warn", "debug"]) console[method] = console.error; // standard output is for messages

/** Both nets: `labels` in their own words and order, and `predict`, uint8 pixels (height x width x 3, RGB) -> 7 values. */
const NETS = {
  async "face-api"(tf) {
    const faceapi = require("@vladmandic/face-api/dist/face-api.node-wasm.js");
    const net = faceapi.nets.faceExpressionNet;
    await net.loadFromDisk(path.join(modules, "@vladmandic/face-api/model"));
    const labels = faceapi.FACE_EXPRESSION_LABELS;
    const predict = async (pixels, height, width) => {
      const picture = tf.tensor3d(pixels, [height, width, 3], "int32");
      const found = await net.predictExpressions(picture);
      picture.dispose();
      return labels.map((label) => found[label]);
    };
    return { labels, predict };
  },

  // The package keeps its nets to itself, behind its face detector; so its model is loaded, and given what it would get.
  async human(tf) {
    const place = path.join(modules, "@vladmandic/human/models/emotion");
    const described = JSON.parse(readFileSync(`${place}.json`));
    const model = await tf.loadGraphModel({
      load: async () => ({
        modelTopology: described.modelTopology,
        weightSpecs: described.weightsManifest.flatMap((part) => part.weights),
        weightData: new Uint8Array(readFileSync(`${place}.bin`)).buffer,
      }),
    });
    const luma = tf.tensor1d([0.2989, 0.587, 0.114]); // the weights that it uses
    const predict = async (pixels, height, width) => {
      const answer = tf.tidy(() => {
        const picture = tf.tensor4d(pixels, [1, height, width, 3], "float32").div(255);
        const grey = tf.image.resizeBilinear(picture, [64, 64]).mul(luma).sum(3, true);
        return model.execute(grey.sub(0.5).mul(2));
      });
      const values = await answer.data();
      answer.dispose();
      return values;
    };
    return { labels: ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"], predict };
  },
};

/** The body of an A message for that of an I message. */
async function answers(net, body) {
  const [count, height, width] = [0, 4, 8].map((at) => body.readUInt32LE(at));
  const classes = net.labels.length, bytes = height * width * 3;
  const out = Buffer.alloc(8 + count * (classes * 4 + 8));
  out.writeUInt32LE(count, 0);
  out.writeUInt32LE(classes, 4);
  for (let i = 0; i < count; i++) {
    const pixels = body.subarray(SHAPE + i * bytes, SHAPE + (i + 1) * bytes);
    const start = process.hrtime.bigint();
    const values = await net.predict(pixels, height, width);
    const taken = process.hrtime.bigint() - start;
    for (let k = 0; k < classes; k++) out.writeFloatLE(values[k], 8 + (i * classes + k) * 4);
    out.writeBigUInt64LE(taken, 8 + count * classes * 4 + i * 8);
  }
  return out;
}

/** Write a message whole. */
function send(kind, body) {
  const message = Buffer.alloc(HEAD + body.length);
  message.write(kind, 0, "latin1");
  message.writeUInt32LE(body.length, 1);
  body.copy(message, HEAD);
  for (let done = 0; done < message.length; ) done += writeSync(1, message, done);
}

/** Bodies of the messages that come in. */
async function* messages(stream) {
  let held = Buffer.alloc(0);
  for await (const part of stream) {
    held = Buffer.concat([held, part]);
    while (held.length >= HEAD && held.length >= HEAD + held.readUInt32LE(1)) {
      const end = HEAD + held.readUInt32LE(1);
      yield held.subarray(HEAD, end);
      held = held.subarray(end);
    }
  }
}

const tf = require("@tensorflow/tfjs");
require("@tensorflow/tfjs-backend-wasm").setWasmPaths(path.join(modules, "@tensorflow/tfjs-backend-wasm/dist/"));
if (!(await tf.setBackend("wasm"))) throw new Error("TensorFlow.js has no WebAssembly here");
await tf.ready();
const net = await NETS[name](tf);
const simd = (await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT")) ? " with SIMD" : "";
const runtime = `TensorFlow.js ${tf.version.tfjs}, WebAssembly${simd}, 1 thread, Node ${process.versions.node}`;
send("D", Buffer.from(JSON.stringify({ labels: net.labels, runtime })));
for await (const body of messages(process.stdin)) {
  try {
    send("A", await answers(net, body));
  } catch (error) {
    send("E", Buffer.from(JSON.stringify({ message: String(error.message).split("\n")[0] })));
  }
}
