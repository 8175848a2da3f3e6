import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../../../faceinpaint_fast/service/page/failure.js";

test("every status that the service answers has advice of its own", () => {
  const asked = [0, 401, 408, 413, 415, 422, 429, 500, 503, 504].map((status) => new Failure("x: y", { status }).advice);
  assert.equal(new Set(asked).size, asked.length);
  for (const advice of asked) assert.match(advice, /^[A-Z].*[.:]$/);
});

test("a field that does not fit is told by what to do with it", () => {
  const advice = (field, message = "x") => new Failure(message, { status: 422, field }).advice;
  assert.match(advice("seed"), /“Options”/);
  assert.match(advice("hole"), /Paint/);
  assert.match(advice("boxes"), /box/);
  assert.match(advice("image", "photo: expected a face, got none that the detector finds"), /“Face”/);
  assert.match(advice("image", "image: expected a whole picture"), /choose it again/);
});

test("a busy service says how long to wait", () => {
  assert.match(new Failure("x", { status: 429, retryAfter: "7" }).advice, /7 seconds/);
});

test("advice that is given is kept", () => {
  assert.equal(new Failure("x", { status: 413, advice: "Do this." }).advice, "Do this.");
});
