// Reads a stream as events, over a connection that breaks once.

import { call } from "./remoting.js";

const lines = [];
const strokes = new EventSource("{{server}}/desk/strokes?to=10");
strokes.onopen = () => lines.push("open");
strokes.onmessage = ({ data }) => lines.push(data);
strokes.addEventListener("end", () => lines.push("end"));
await new Promise((resolve) => {
  strokes.onerror = () => {
    const isOver = strokes.readyState === EventSource.CLOSED;
    lines.push(isOver ? "over" : "broken");
    if (isOver) resolve();
  };
});
await call("{{reports}}", "report", "tell", [lines]);
