// A page that may call: by requests, in a session, and called back.

import { Local, RemotingError, Session, call, read } from "./remoting.js";

const [server, lines] = ["{{server}}", []];

function said({ code, details, executed }) {
  return `${code}${details ? ` ${JSON.stringify(details)}` : ""}, executed ${executed}`;
}

/** Notes what became of something. */
async function note(what, work) {
  const result = await work().then((value) => JSON.stringify(value), said);
  lines.push(`${what}: ${result}`);
}

async function requests() {
  await note("POST", () => call(server, "desk", "divide", [7, 2]));
  await note("GET", () => read(server, "desk", "add", { a: 2, b: 3 }));
  await note("nothing", () => call(server, "desk", "strike", [0]));
  await note("own error", () => call(server, "desk", "divide", [1, 0]));
  await note("no method", () => call(server, "desk", "multiply", [2, 3]));
}

async function calls(session, desk) {
  await note("add", () => desk.call("add", [2, 3]));
  await note("own error", () => desk.call("divide", [1, 0]));
  await note("no method", () => desk.call("multiply", [2, 3]));
  await note("bad arguments", () => desk.call("add", ["two"]));
  await note("nobody", () => session.resolve("nobody", "Desk"));
  await note("wrong interface", () => session.resolve("desk", "Bell"));
  // The server pings in the meantime, and ends the session if nothing answers.
  await note("late", () => desk.call("wait", [], { deadline: 4_000 }));
  const long = "ä🔔".repeat(30_000);
  await note("long", async () => (await desk.call("echo", [long])) === long);
  await note("too long", () => desk.call("echo", ["x".repeat(300_000)]));
  // More than the server lets run at once.
  const many = [...Array(3_000).keys()].map((number) => desk.call("add", [number, 1]));
  await note("many", async () => (await Promise.all(many)).every((sum, number) => sum === number + 1));
}

async function callbacks(desk) {
  const rung = [];
  let enough;
  const all = new Promise((resolve) => { enough = resolve; });
  const bell = new Local("Bell", {
    ring: async ({ nth }) => {
      if (nth === 13) throw new RemotingError("app", "unlucky", "yes", { Cracked: { nth } });
      return nth * 10;
    },
    heard: ({ nth }) => { if (rung.push(nth) === 5) enough(); },
    drowned: ({ text }) => lines.push(`oneway: ${text}`),
  });
  await desk.call("subscribe", [bell]);
  await desk.call("strike", [5]);
  await all;
  await note("subscribed", async () => rung);
  await note("answers", () => desk.call("ring", [[bell, bell], 4]));
  await note("its error", () => desk.call("ring", [[bell], 13]));
  const other = new Local("Clock", {});
  await note("other interface", () => desk.call("ring", [[other], 1]));
  // Its method calls the server while the server waits for it.
  const echo = new Local("Bell", { ring: ({ nth }, context) => desk.call("add", [nth, 1], { within: context }) });
  await note("calls back", () => desk.call("ring", [[echo], 4]));
}

async function references(desk) {
  const drawer = await desk.call("drawer", ["keys"], { take: (index, objects) => objects[index] });
  await note("object", () => drawer.call("label"));
  await note("comes home", () => desk.call("is_mine", [drawer]));
  await note("not taken", () => desk.call("drawer", ["pens"]));
  drawer.release();
  await note("released", () => drawer.call("label"));
  const looks = new Local("Bell", {
    look: async ({ drawer }, context) => {
      const shown = context.references[drawer];
      const label = await shown.call("label", [], { within: context });
      shown.release();
      return label;
    },
  });
  await note("shown", () => desk.call("show", [looks]));
  await note("not looked at", () => desk.call("show", [new Local("Bell", {})]));
  // All of them are gone then.
  while ((await desk.call("open_drawers")) > 0);
}

try {
  await requests();
  const session = await Session.open(server);
  const desk = await session.resolve("desk", "Desk");
  await calls(session, desk);
  await callbacks(desk);
  await references(desk);
  session.close();
  lines.push(`closed: ${(await session.ended).code}`);
  await note("after that", () => desk.call("add", [2, 3]));
} catch (error) {
  lines.push(`threw: ${error.stack}`);
}
await call("{{reports}}", "report", "tell", [lines]);
