// The bytes of RMT/1, sections 2 to 5 and 8 of PROTOCOL.md, whose rules stand in brackets.

export const utf8 = new TextEncoder();
export const json = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

/** The number of a method (32 bits) or an interface (64 bits) [A1, A2]. */
export function numberOf(name, bits) {
  let hash = bits === 32 ? 0x811c9dc5n : 0xcbf29ce484222325n;
  const prime = bits === 32 ? 0x01000193n : 0x00000100000001b3n;
  for (const byte of utf8.encode(name)) hash = BigInt.asUintN(bits, (hash ^ BigInt(byte)) * prime);
  return hash;
}

export class Writer {
  bytes = [];
  raw(bytes) { for (const byte of bytes) this.bytes.push(byte); return this; }
  /** Low byte first [N4]. */
  fixed(value, count) {
    for (let rest = BigInt(value); count > 0; count--, rest >>= 8n) this.bytes.push(Number(rest & 0xffn));
    return this;
  }
  /** Seven bits a byte [N1]. */
  number(value) {
    let rest = BigInt(value);
    for (; rest > 0x7fn; rest >>= 7n) this.bytes.push(Number(rest & 0x7fn) | 0x80);
    this.bytes.push(Number(rest));
    return this;
  }
  prefixed(bytes) { return this.number(bytes.length).raw(bytes); }
  /** An entry of a header block [H1]. */
  entry(key, write) { const value = new Writer(); write(value); return this.number(key).prefixed(value.bytes); }
}

export class Reader {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }
  raw(count) {
    if (count > this.bytes.length - this.at) throw new Refused("F6");
    return this.bytes.subarray(this.at, (this.at += count));
  }
  rest() { return this.raw(this.bytes.length - this.at); }
  byte() { return this.raw(1)[0]; }
  fixed(count) { return this.raw(count).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n); }
  number(bits = 32) {
    let value = 0n, shift = 0n, byte;
    do {
      byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
    } while (byte & 0x80 && shift < 70n);
    if (byte & 0x80 || (byte === 0 && shift > 7n) || value >> BigInt(bits)) throw new Refused("N1");
    return Number(value);
  }
  prefixed() { return this.raw(this.number()); }
  text() { return new TextDecoder().decode(this.prefixed()); }
  /** The entries of a header block, and those of them that may not be skipped and are not known [H3, L1]. */
  entries(known) {
    const block = new Reader(this.prefixed()), found = new Map();
    for (found.critical = false; block.at < block.bytes.length; ) {
      const key = block.number(64), value = block.prefixed();
      if (known.includes(key) && found.has(key)) throw new Refused("H2");
      if (known.includes(key)) found.set(key, new Reader(value));
      else if (key % 2 === 1) found.critical = true;
    }
    return found;
  }
}

/** The peer has broken a rule, which ends the session [S18]. */
export class Refused extends Error {}

// ---- frames [F3, E1]

export const Kind = { HELLO: 0, CALL: 1, RETURN: 2, ERROR: 3, CANCEL: 4, RELEASE: 5, RENEW: 6, PING: 7, PONG: 8,
  RESOLVE: 13, GOAWAY: 14, POST: 16, ABORT: 17 };
/** The flags of a frame with a header block, and of one whose payload goes on in another. */
export const HDR = 0x80, MORE = 0x40;
/** The flags that a kind may have. */
export const FLAGS = [0x80, 0xe0, 0xc0, 0x80, 0, 0, 0, 0, 0, 0xc0, 0x20, 0xa0, 0x40, 0xc0, 0, 0, 0x80, 0];
/** Codes of errors, and their names over HTTP [H11]. */
export const CODES = [, "cancelled", "deadline_exceeded", "not_found", "object_gone", "no_such_method", "bad_arguments",
  "unauthenticated", "permission_denied", "resource_exhausted", "overloaded", , , , "upstream_failed", "internal",
  "app", "too_large", "unsupported", "version_mismatch", "protocol", "reentrant", "poisoned", "wrong_interface",
  "not_activatable", "bad_result"];
const EXECUTED = ["no", "yes", "unknown"];

/** What went wrong: `code` and `executed` as [H10] says, `details` the method's own error. */
export class RemotingError extends Error {
  constructor(code, message, executed = "unknown", details = undefined) {
    super(message);
    Object.assign(this, { name: "RemotingError", code, executed, details });
  }
}

/** What an ERROR says [M3]. */
export function readFailure(frame) {
  const code = CODES[frame.byte()] ?? "internal", executed = EXECUTED[frame.byte()];
  frame.number(64); // when to try again
  const text = frame.text(), data = frame.rest();
  return new RemotingError(code, text, executed, code === "app" ? json(data) : undefined);
}

/** The same, of what a method has thrown; `data` are the details of its own error. */
export function writeFailure(error, data) {
  const { code, executed } = error instanceof RemotingError ? error : { code: "internal", executed: "yes" };
  const text = utf8.encode(String(error?.message ?? error).slice(0, 300));
  const out = new Writer().fixed(CODES.indexOf(code), 1).fixed(EXECUTED.indexOf(executed), 1).number(0);
  return out.prefixed(text).raw(data).bytes;
}
