// A page that may not call tries all that a page can try.

import { Session, call, read } from "./remoting.js";

const [server, lines] = ["{{server}}", []];
const divide = `${server}/desk/divide`;
const body = "[1,0]";

async function attempt(what, work) {
  const result = await work().then((value) => `went through: ${value}`, (error) => `${error.name} ${error.code ?? ""}, ${error.message}`);
  lines.push(`${what}: ${result}`);
}

const image = () => new Promise((resolve, reject) => {
  const picture = new Image();
  picture.onload = () => resolve("a picture");
  picture.onerror = () => reject(new Error("no picture"));
  picture.src = `${server}/desk/add?a=2&b=3`;
});

await attempt("POST", () => call(server, "desk", "divide", [1, 0]));
await attempt("GET", () => read(server, "desk", "add", { a: 2, b: 3 }));
await attempt("image", image);
// A browser sends this without asking, and tells the page nothing of the answer.
await attempt("form", async () => (await fetch(divide, { method: "POST", mode: "no-cors", body })).type);
await attempt("session", () => Session.open(server));
await call("{{reports}}", "report", "tell", [lines]);
