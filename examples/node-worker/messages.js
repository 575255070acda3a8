// Messages of the protocol (docs/protocol.md): one line of JSON, and the bytes of the arrays directly behind it.
//
// An array is {dtype, storage, shape, bytes}: bytes is a Uint8Array at the beginning of a buffer of its own, little-endian.

import { readSync, writeSync } from "node:fs";

const LINE_FEED = 10;

/** Requests from a file descriptor, one after the other. */
export class Requests {
  #descriptor;
  #held = Buffer.alloc(0);

  constructor(descriptor) {
    this.#descriptor = descriptor;
  }

  /** The next request, {...message, arrays}; null at the end of the stream. */
  next() {
    let end;
    while ((end = this.#held.indexOf(LINE_FEED)) < 0) {
      if (!this.#read(1)) return null;
    }
    const message = JSON.parse(this.#take(end + 1).toString("latin1"));
    message.arrays = (message.arrays ?? []).map((entry) => ({ ...entry, bytes: this.#bytes(entry.bytes) }));
    return message;
  }

  #bytes(count) {
    if (this.#held.length < count && !this.#read(count - this.#held.length)) {
      throw new Error("the standard input ended within a message");
    }
    return Uint8Array.from(this.#take(count)); // a copy, aligned for every element type
  }

  #take(count) {
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  /** Wait for at least so many more bytes; whether they came. */
  #read(count) {
    const pieces = [this.#held];
    for (let wanted = count; wanted > 0; ) {
      const piece = Buffer.alloc(Math.max(wanted, 65536));
      const got = readSync(this.#descriptor, piece);
      if (got === 0) return false;
      pieces.push(piece.subarray(0, got));
      wanted -= got;
    }
    this.#held = Buffer.concat(pieces);
    return true;
  }
}

/** Write a message and its arrays to a file descriptor. */
export function write(descriptor, message, arrays = []) {
  const listed = arrays.map(({ dtype, storage, shape, bytes }) => ({ dtype, storage, shape, bytes: bytes.length }));
  const line = JSON.stringify({ ...message, arrays: listed }).replace(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  for (const piece of [Buffer.from(`${line}\n`, "latin1"), ...arrays.map((array) => array.bytes)]) {
    for (let at = 0; at < piece.length; ) at += writeSync(descriptor, piece, at);
  }
}

/** The bytes of a typed array, as they lie in memory. */
export function bytesOf(values) {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
