// Uses the page of the board as a person would, and looks at what it shows.

import { call } from "./remoting.js";

const frame = document.createElement("iframe");
frame.src = "/board.html";
document.body.append(frame);
await new Promise((resolve) => { frame.onload = resolve; });
const page = frame.contentDocument, element = (id) => page.getElementById(id);

/** Waits until the page shows what it is to show. */
const until = (holds) => new Promise((resolve) => {
  const look = () => holds() && (observer.disconnect(), resolve());
  const observer = new MutationObserver(look);
  observer.observe(page, { subtree: true, childList: true, characterData: true });
  look();
});
const notes = () => [...element("notes").children].map((note) => note.innerText.replace("\n", ": "));
const errors = () => [...page.querySelectorAll("#log .error")].map((line) => line.innerText);

await until(() => element("log").innerText.includes("is told of each note"));
for (const text of ["bread at nine", "lost: a cat", "found: <b>a cat</b>"]) {
  const before = notes().length;
  element("text").value = text;
  element("pin").click();
  await until(() => notes().length > before);
}
element("pin").click();
await until(() => errors().length > 0);
const watched = notes();
element("read").click();
await until(() => element("log").innerText.includes("GET /board/notes: 3"));
await call("{{reports}}", "report", "tell", [[...watched, ...errors(), `read again: ${notes().length}`]]);
