// Objects of a server, called from a page: each call a request, or all in a session over WebSocket, in which
// the server calls objects of the page too. Written from PROTOCOL.md, whose rules stand in brackets; a model for
// other languages. All is JSON, so integers beyond 2^53 lose digits.

import { CODES, FLAGS, HDR, Kind, MORE, Reader, Refused, Writer, json, numberOf, utf8 } from "./wire.js";
import { RemotingError, readFailure, writeFailure } from "./wire.js";

export { RemotingError };

// ---- requests [H1 to H12]

/** Calls a method of a published object: `await call("http://localhost:8080", "calc", "add", [2, 3])`. */
export async function call(server, object, method, args = []) {
  const headers = { "Content-Type": "application/json" }; // a browser asks the server first whether it may [H4]
  const body = JSON.stringify(args);
  return answerOf(await fetch(`${server}/${object}/${method}`, { method: "POST", headers, body }));
}

/** Reads a method that changes nothing; `args` by name: `await read(server, "calc", "add", { a: 2, b: 3 })`. */
export async function read(server, object, method, args = {}) {
  const query = Object.entries(args).map(([name, value]) => [name, JSON.stringify(value)]);
  return answerOf(await fetch(`${server}/${object}/${method}?${new URLSearchParams(query)}`));
}

async function answerOf(response) {
  const body = await response.text();
  const executed = response.headers.get("Remoting-Executed");
  if (executed && response.ok) return body === "" ? null : JSON.parse(body);
  const error = executed && JSON.parse(body);
  if (error) throw new RemotingError(error.code, error.message, error.executed, error.details);
  throw new RemotingError("upstream_failed", `HTTP status ${response.status}, from no server of objects`);
}

// ---- sessions [H13, H14, section 9]

const MOST = 4 * 1024 * 1024; // bytes, in a frame and in all, so that nothing comes in parts [L8, L10, S25]
const giveBack = (objects) => objects.forEach((object) => object instanceof Remote && object.release());

/** An object of the page's that a server may call: `new Local("Listener", { heard: ({ text }) => text.length })`. */
export class Local {
  /** `methods`: each gets its arguments, by name as proxies write them in JSON [A5], and a context, with the objects
   *  that they name by index as `references`, which are to be released; `call` takes it as `within`. */
  constructor(interfaceName, methods) {
    this.interface = numberOf(interfaceName, 64);
    this.methods = new Map(Object.entries(methods).map(([name, method]) => [numberOf(name, 32), method]));
  }
}

/** An object of the server's, to be released when it is not needed any more [S9]. */
export class Remote {
  constructor(session, slot) { Object.assign(this, { session, slot }); }

  /**
   * Calls a method. Its arguments may hold objects, `Local` and `Remote`, at any place.
   * - `deadline`: how many milliseconds to wait [K2]; `within`: the context of the method that makes this call;
   * - `take`: makes the result of the value and the objects that it names by index, `(value, references) =>
   *   references[value]`; without it these are given back.
   */
  async call(method, args = [], options = {}) {
    if (this.slot === null) throw new RemotingError("object_gone", "the page has released the object", "no");
    const target = this.slot * 4, number = numberOf(method, 32);
    return this.session.request(Kind.CALL, (out) => out.number(target).fixed(number, 4), { args, ...options });
  }

  release() {
    if (this.slot === null) return;
    this.session.send(Kind.RELEASE, (out) => out.number(1).number(this.slot).number(1).number(0));
    this.slot = null;
  }
}

export class Session {
  #socket; #peer; #refusal; #end; #heard = Date.now(); #pinged = false; #timer;
  #calls = new Map(); #next = 0; #free = []; #waiting = []; #sent = 0; #locals = new Map(); #lastSlot = 0;
  /** Resolves to the error that has ended the session. */
  ended = new Promise((resolve) => { this.#end = resolve; });

  /** Opens a session: `await Session.open("http://localhost:8080")`. */
  static open(server) {
    const session = new Session(), url = `${server.replace(/^http/, "ws")}/$session`;
    const opened = new Promise((resolve) => session.#open(url, () => resolve(session)));
    return Promise.race([opened, session.ended.then((error) => Promise.reject(error))]);
  }

  /** The object that is published under a name [M13, S12]. */
  resolve(name, interfaceName) {
    const id = numberOf(interfaceName, 64), key = utf8.encode(name);
    return this.request(Kind.RESOLVE, (out) => out.fixed(0, 1).fixed(id, 8).fixed(0, 8).prefixed(key), {});
  }

  /** Ends the session, and with it all that either side holds. */
  close() { this.#abort(0, "", "disconnected", "the page has closed the session"); }

  /** Sends a frame. For this module only, as is `request`. */
  send(kind, write, block = new Writer(), payload = []) {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const header = block.bytes.length > 0, out = new Writer().fixed(header ? kind | HDR : kind, 1);
    write(out);
    if (header) out.prefixed(block.bytes);
    this.#socket.send(new Uint8Array(out.raw(payload).bytes));
  }

  /** Sends a CALL or a RESOLVE and waits for its answer. */
  async request(kind, head, { args, deadline = 30_000, within, take }) {
    if (this.#refusal) throw this.#refusal;
    const block = new Writer(), payload = args === undefined ? [] : this.#encode(args, block);
    if (deadline !== 30_000) block.entry(2, (value) => value.number(deadline));
    if (args !== undefined) block.entry(11, (value) => value.fixed(0, 1));
    if (within?.locks) block.entry(12, (value) => value.raw(within.locks));
    if (within) block.entry(16, (value) => value.number(within.depth + 1));
    const fresh = () => (this.#next < this.#peer.maxCalls ? this.#next++ : undefined);
    const id = this.#free.pop() ?? fresh() ?? (await new Promise((go) => this.#waiting.push(go))); // [S4]
    if (this.#refusal) throw this.#refusal;
    return new Promise((resolve, reject) => {
      const over = (how) => (what) => { clearTimeout(timer); call.over = true; how(what); };
      const call = { kind, take, nth: ++this.#sent, over: false, resolve: over(resolve), reject: over(reject) };
      const timer = setTimeout(() => {
        this.send(Kind.CANCEL, (out) => out.number(id)); // the answer still comes, and frees the id [S5]
        call.reject(new RemotingError("deadline_exceeded", "nothing came in time"));
      }, deadline);
      this.#calls.set(id, call);
      this.send(kind, (out) => head(out.number(id)), block, payload);
    });
  }

  #open(url, ready) {
    this.#socket = new WebSocket(url, ["rmt1.json"]);
    this.#socket.binaryType = "arraybuffer";
    const hello = new Writer().entry(6, (value) => value.fixed(0, 1)); // JSON is all that is read here
    hello.entry(8, (value) => value.number(MOST)).entry(10, (value) => value.number(MOST));
    this.#socket.onopen = () => {
      this.send(Kind.HELLO, () => {}, hello);
      this.#timer = setInterval(() => this.#beat(), 5_000);
    };
    this.#socket.onclose = () => this.#fail("disconnected",
      this.#peer ? "the connection is lost" : `${url} opens no session; why, a browser tells no page`);
    this.#socket.onmessage = ({ data }) => {
      [this.#heard, this.#pinged] = [Date.now(), false];
      try {
        if (typeof data === "string") throw new Refused("H14");
        this.#take(new Reader(new Uint8Array(data)), ready);
      } catch (error) {
        this.#abort(20, `rule ${error.message}`, "protocol", `the server has broken rule ${error.message}`);
      }
    };
  }

  #beat() {
    const silent = Date.now() - this.#heard; // [S14]
    if (!this.#peer || (this.#pinged && silent > 25_000)) this.#fail("disconnected", "the server is silent"); // [S2]
    if (this.#pinged || silent < 15_000) return;
    this.#pinged = true;
    this.send(Kind.PING, (out) => out.number(0).fixed(0, 8));
  }

  #abort(number, text, code, message) {
    this.send(Kind.ABORT, (out) => out.fixed(number, 1).prefixed(utf8.encode(text.slice(0, 300))));
    this.#fail(code, message);
  }

  #fail(code, message) {
    this.#refuse(new RemotingError(code, message, "no"));
    this.#socket.onmessage = null;
    this.#socket.close();
    clearInterval(this.#timer);
    this.#locals.clear();
    for (const call of this.#calls.values()) call.reject(new RemotingError(code, message));
    this.#end(this.#refusal);
  }

  #refuse(error) {
    this.#refusal ??= error; // from now on nothing is asked any more
    this.#waiting.splice(0).forEach((go) => go());
  }

  /** JSON with an index for each object; the table they point into goes to the header [K3]. */
  #encode(value, block) {
    const objects = [];
    const text = JSON.stringify(value, (_key, inner) => {
      if (!(inner instanceof Local || inner instanceof Remote)) return inner;
      return objects.includes(inner) ? objects.indexOf(inner) : objects.push(inner) - 1;
    });
    const payload = utf8.encode(text ?? "null");
    const size = payload.length + objects.length * 16 + 1024;
    if (size > this.#peer.maxFrame) throw new RemotingError("too_large", "it would have to go in parts [S25]", "no");
    const write = (table, object) => object instanceof Local
      ? table.fixed(0, 1).number(this.#lend(object)).fixed(object.interface, 8)
      : table.fixed(1, 1).number(object.slot);
    if (objects.length > 0) block.entry(3, (table) => objects.forEach((object) => write(table, object)));
    return payload;
  }

  /** Gives the server one more reference to an object of the page's [S9]. */
  #lend(object) {
    let slot = [...this.#locals.keys()].find((slot) => this.#locals.get(slot).object === object);
    if (slot === undefined) this.#locals.set((slot = ++this.#lastSlot), { object, count: 0 });
    this.#locals.get(slot).count++;
    return slot;
  }

  /** The objects that a message refers to. */
  #references(table) {
    const objects = [];
    while (table && table.at < table.bytes.length) {
      const kind = table.byte(), slot = table.number();
      if (kind > 1) throw new Refused("K3");
      if (kind === 0) table.fixed(8);
      objects.push(kind === 0 ? new Remote(this, slot) : this.#locals.get(slot)?.object);
    }
    return objects;
  }

  #take(frame, ready) {
    const first = frame.byte(), kind = first & 0x1f, flags = first & 0xe0;
    if (kind >= 24) return; // [F5]
    if (kind > Kind.ABORT || flags & ~FLAGS[kind]) throw new Refused("F3");
    if (kind === Kind.RETURN && flags & MORE) throw new Refused("S25");
    if (kind !== Kind.ABORT && (kind === Kind.HELLO) === Boolean(this.#peer)) throw new Refused("S1");
    const header = (known) => (flags & HDR ? frame.entries(known) : new Map());
    if (kind === Kind.HELLO) {
      const keys = header([8, 12]);
      if (keys.critical) throw new Refused("L1");
      const value = (key, usual) => keys.get(key)?.number() ?? usual;
      this.#peer = { maxFrame: value(8, 262_144), maxCalls: Math.max(16, value(12, 1024)) };
      ready();
    } else if (kind === Kind.CALL || kind === Kind.POST) this.#serve(kind, flags, frame, header);
    else if (kind === Kind.RETURN || kind === Kind.ERROR) this.#answered(kind, frame, header);
    else if (kind === Kind.RELEASE) {
      for (let left = frame.number(); left > 0; left--) this.#givenBack(frame.number(), frame.number());
    } else if (kind === Kind.RENEW || kind === Kind.RESOLVE) {
      this.#fails(frame.number(), new RemotingError("unsupported", "a page publishes nothing", "no"));
    } else if (kind === Kind.PING) {
      frame.number(64);
      const opaque = frame.fixed(8);
      this.send(Kind.PONG, (out) => out.number(0).fixed(opaque, 8));
    } else if (kind === Kind.GOAWAY) {
      const accepted = frame.number(64);
      this.#refuse(new RemotingError("disconnected", "the server takes no more calls", "no"));
      for (const call of this.#calls.values()) if (call.nth > accepted) call.reject(this.#refusal);
    } else if (kind === Kind.ABORT) {
      const code = CODES[frame.byte()] ?? "disconnected";
      this.#fail(code, `the server has ended the session: ${frame.text()}`);
    } // A CANCEL comes too late for a page [M4], and the others are not in use [S19].
  }

  #givenBack(slot, count) {
    const lent = this.#locals.get(slot);
    if (!lent || count > lent.count) throw new Refused("S9");
    if ((lent.count -= count) === 0) this.#locals.delete(slot);
  }

  #answered(kind, frame, header) {
    const id = frame.number(), call = this.#calls.get(id), references = this.#references(header([3]).get(3));
    if (!call) throw new Refused("S6");
    this.#calls.delete(id);
    if (call.kind === Kind.RESOLVE) this.send(Kind.RELEASE, (out) => out.number(0).number(1).number(id)); // [S10]
    this.#waiting.length > 0 ? this.#waiting.shift()(id) : this.#free.push(id);
    const takes = kind === Kind.RETURN && call.take && !call.over;
    if (!takes) giveBack(references);
    if (kind === Kind.ERROR) call.reject(readFailure(frame));
    else if (call.kind === Kind.RESOLVE) {
      const object = new Remote(this, frame.number());
      call.over ? object.release() : call.resolve(object);
    } else {
      const result = async () => (takes ? call.take(json(frame.rest()), references) : json(frame.rest()));
      result().then(call.resolve, call.reject);
    }
  }

  /** Has an object of the page's do what the server asks for [M1, M16]. */
  #serve(kind, flags, frame, header) {
    const id = kind === Kind.CALL ? frame.number() : null, target = frame.number();
    if (target % 4 === 1) frame.number(); // a path; a page has no answers that could be called
    const number = frame.fixed(4), keys = header([3, 11, 12, 16]), references = this.#references(keys.get(3));
    const context = { references, depth: keys.get(16)?.number() ?? 0, locks: keys.get(12)?.rest() };
    const work = async () => {
      const refuse = (code, text) => { giveBack(references); throw new RemotingError(code, text, "no"); }; // [S23]
      const readable = keys.get(11)?.byte() === 0 && !keys.critical && !(flags & ~HDR);
      if (!readable) refuse("unsupported", "a page reads JSON, in one frame");
      const object = target % 4 === 0 ? this.#locals.get(target / 4)?.object : undefined;
      if (!object) refuse("not_found", "the page lends no such object");
      const method = object.methods.get(number) ?? refuse("no_such_method", "the page's object has no such method");
      let args;
      try { args = json(frame.rest()); } catch { refuse("bad_arguments", "the arguments are no JSON"); }
      return method(args, context);
    };
    if (id === null) work().catch(console.warn);
    else work().then((value) => this.#returns(id, value)).catch((error) => this.#fails(id, error));
  }

  #returns(id, value) {
    const block = new Writer(), payload = this.#encode(value, block);
    this.send(Kind.RETURN, (out) => out.number(id), block, payload);
  }

  #fails(id, error) {
    const block = new Writer(), data = error?.details === undefined ? [] : this.#encode(error.details, block);
    this.send(Kind.ERROR, (out) => out.number(id), block, writeFailure(error, data));
  }
}
