import assert from "node:assert/strict";
import { test } from "node:test";
import { eventsOf } from "../../../faceinpaint_fast/service/page/event_stream.js";

const EVENTS = [
  { event: "progress", data: '{"stage": "über", "done": 1}' },
  { event: "message", data: "two\nlines" },
  { event: "result", data: "x".repeat(5000) },
];
const TEXT = `: a remark\nevent: progress\ndata: ${EVENTS[0].data}\n\ndata: two\r\ndata:lines\r\n\r\nevent: nothing\n\nid: 7\nevent: result\ndata: ${EVENTS[2].data}\n\nevent: cut\ndata: off`;

async function read(pieces) {
  const events = [];
  for await (const event of eventsOf(new Blob(pieces).stream())) events.push(event);
  return events;
}

test("events are read, and what is none is passed over", async () => {
  assert.deepEqual(await read([TEXT]), EVENTS);
});

test("it does not matter where the network cuts them", async () => {
  const bytes = new TextEncoder().encode(TEXT);
  for (const size of [1, 2, 3, 7, 50]) {
    const pieces = [];
    for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.slice(at, at + size));
    const stream = new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(piece);
        controller.close();
      },
    });
    const events = [];
    for await (const event of eventsOf(stream)) events.push(event);
    assert.deepEqual(events, EVENTS, `pieces of ${size}`);
  }
});

test("whoever stops listening closes the stream", async () => {
  let closed = false;
  const stream = new ReadableStream({
    pull: (controller) => controller.enqueue(new TextEncoder().encode("data: more\n\n")),
    cancel: () => {
      closed = true;
    },
  });
  for await (const { data } of eventsOf(stream)) {
    assert.equal(data, "more");
    break;
  }
  assert.ok(closed);
});
