// The page: what it shows when, and who tells whom.  Its state is "welcome", "painting", "restoring" or "restored".

import { Engine } from "./engine.js";
import { Failure } from "./failure.js";
import { FailureBox } from "./failure_box.js";
import { FacesList } from "./faces_list.js";
import { Gallery } from "./gallery.js";
import * as gestures from "./gestures.js";
import { Hole } from "./hole.js";
import * as intake from "./intake.js";
import * as keys from "./keys.js";
import { Painter } from "./painter.js";
import { Photograph, decoded, readMask } from "./photograph.js";
import { Slider } from "./slider.js";
import { Stage } from "./stage.js";

const VARIANTS = 3;
const SPREAD = 0.4; // of a seed's start around the model's best guess, at which seed 0 begins: it costs a decibel or two
const LEAST_BRUSH = 2; // pixels of the photograph
const LEAST_APART = 1; // pixels between two eyes
const EXTENSIONS = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/tiff": "tif", "image/bmp": "bmp" };

const engine = new Engine();

const the = (id) => document.getElementById(id);
const stage = new Stage(the("stage"), (view) => (the("zoom").value = `${Math.round(view.scale * 100)} %`));
const slider = new Slider(the("divider"), stage, (value) => {
  stage.division = value;
  stage.marksChanged();
});
const gallery = new Gallery(the("gallery"), choose);
const facesList = new FacesList(the("faces-found"), the("faces"), (stroke, part) => {
  painter.cover(stroke);
  say(`${part} covered.`);
});
const failures = new FailureBox(the("failure"), (token) => {
  engine.token = token;
  findFaces();
});

let photograph = null;
let hole = null;
let painter = null;
let marked = []; // faces, {box} or {eyes}, as the engine takes them
let eye = null; // the first of two that are clicked
let results = [];
let chosen = 0; // of the results
let doing = null; // an AbortController of what the engine is asked

const state = () => document.body.dataset.state;
const offers = (name) => engine.offers.includes(name);

function enter(name) {
  document.body.dataset.state = name;
  stage.marks.tool = null;
  stage.refit();
}

/** Tells those who listen. */
function say(text) {
  the("status").textContent = text;
}

/** Runs what may fail, and tells how. */
async function guarded(act) {
  failures.hide();
  try {
    await act();
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Failure)) console.error(error);
    failures.show(error instanceof Failure ? error : new Failure(String(error)));
  }
}

// The photograph

function open(file) {
  return guarded(async () => {
    const opened = await Photograph.read(file).catch((error) => {
      // there is no other place for it on an empty page
      if (state() === "welcome") the("unreadable").textContent = `${error.message} ${error.advice}`;
      throw error;
    });
    doing?.abort();
    photograph?.bitmap.close();
    photograph = opened;
    hole = new Hole(photograph.width, photograph.height);
    painter = new Painter(hole, { changed: (box) => stage.holeChanged(box), done: stepped, drawn: faceDrawn, clicked: eyeClicked });
    forget();
    chooseTool("brush");
    const { name, width, height } = photograph;
    the("about").textContent = `${name}, ${width} × ${height}`;
    the("stage").setAttribute("aria-label", `Photograph, ${width} by ${height} pixels, and its hole`);
    for (const id of ["about", "another", "workspace"]) the(id).hidden = false;
    the("welcome").hidden = true;
    enter("painting");
    stage.show(photograph, hole);
    sized();
    stepped();
    the("stage").focus();
    findFaces();
  });
}

function findFaces() {
  const asked = photograph;
  marked = [];
  eye = null;
  stage.marks.faces = [];
  facesList.tell("Looking for faces …");
  return guarded(async () => {
    try {
      const { faces, width, height } = await engine.faces(asked);
      if (asked !== photograph || marked.length > 0 || eye) return;
      if (width !== asked.width || height !== asked.height) {
        throw new Failure(`The service sees ${width} × ${height} pixels.`, {
          advice: "This browser turns the photograph otherwise than the service. Save it upright, and choose it again.",
        });
      }
      stage.marks.faces = faces;
      stage.marksChanged();
      facesList.show(faces, engine.noFace);
      if (faces.length === 0 && !offers("service")) chooseTool("face"); // nobody else says where one lies
      say(faces.length === 1 ? "One face was found." : faces.length ? `${faces.length} faces were found.` : engine.noFace);
    } catch (error) {
      if (asked !== photograph) return;
      facesList.tell("They could not be looked for.");
      throw error;
    }
  });
}

function faceDrawn({ left, top, right, bottom }) {
  mark({ box: [left, top, right - left, bottom - top] });
  say("Face drawn.");
}

function eyeClicked({ x, y }) {
  if (eye && Math.hypot(eye[0] - x, eye[1] - y) < LEAST_APART) return;
  if (eye) {
    const eyes = [eye, [x, y]].sort(([a], [b]) => a - b);
    mark({ eyes });
    chooseTool("brush");
    say("Face marked by its eyes.");
    return;
  }
  eye = [x, y];
  showMarked();
  say("One eye. Click the other.");
}

/** Takes a face; those that were marked in the other way are forgotten. */
function mark(face) {
  eye = null;
  marked = [...marked.filter((other) => "box" in other === "box" in face), face];
  showMarked();
}

function showMarked() {
  const faces = marked.map((face) => engine.faceOf(face));
  stage.marks.faces = eye ? [...faces, { points: [eye], frame: [] }] : faces;
  stage.marksChanged();
  if (faces.length > 0) facesList.showMarked(faces, findFaces);
  else facesList.tell("One eye. Click the other.");
}

// Painting

/** What pointers and keys do on the stage. */
const hand = {
  get paints() {
    return state() === "painting";
  },
  get pans() {
    return !this.paints || painter.tool === "hand";
  },
  get isDown() {
    return painter.isDown;
  },
  get at() {
    return stage.marks.tool;
  },
  down(point, how) {
    if (this.pans) return;
    painter.down(point, how);
    this.hover(point);
  },
  move(point) {
    painter.move(point);
    this.hover(point);
  },
  up() {
    painter.up();
    this.hover(this.at);
  },
  cancel() {
    painter.cancel();
    this.hover(this.at);
  },
  hover(point) {
    if (!this.paints) return;
    stage.marks.tool = point && { ...point, diameter: painter.isRound ? painter.diameter : null };
    stage.marks.isDown = painter.isDown;
    stage.marks.box = painter.box;
    stage.marksChanged();
  },
  choose: chooseTool,
  resize: (direction) => resize(direction),
  invert: () => painter.invert(),
};

function chooseTool(tool) {
  painter.cancel();
  painter.tool = tool;
  the("stage").dataset.tool = tool;
  document.querySelector(`[name="tool"][value="${tool}"]`).checked = true;
  hand.hover(hand.at);
}

/** Makes the brush larger or smaller by a step of its slider. */
function resize(direction) {
  the("size").valueAsNumber += 5 * direction;
  sized();
}

/** Takes the brush's size from its slider, each step of which is a share more. */
function sized() {
  const most = Math.max(Math.min(photograph.width, photograph.height) / 2, 2 * LEAST_BRUSH);
  painter.diameter = LEAST_BRUSH * (most / LEAST_BRUSH) ** (the("size").valueAsNumber / 100);
  const text = `${Math.round(painter.diameter)} px`;
  the("size-shown").value = text;
  the("size").setAttribute("aria-valuetext", text);
  hand.hover(hand.at);
}

/** A step was done, undone or redone. */
function stepped() {
  failures.hide();
  the("undo").setAttribute("aria-disabled", !painter.canUndo);
  the("redo").setAttribute("aria-disabled", !painter.canRedo);
  const share = hole.count / hole.pixels.length;
  the("share").textContent = share
    ? `${share < 0.0005 ? "Less than 0.1" : (share * 100).toFixed(1)} % of the photograph is to be restored.`
    : "Paint over it. Nothing is painted yet.";
}

function undo() {
  painter.undo();
  say("Undone.");
}

function redo() {
  painter.redo();
  say("Redone.");
}

// Restoring

function options() {
  const iterations = the("iterations").value;
  return {
    seed: the("seed").valueAsNumber,
    mirror: the("mirror").value,
    iterations: iterations === "" ? null : Number(iterations),
    format: the("format").value,
    marked,
  };
}

/** Restores the photograph with so many seeds, from the chosen one on. */
function restore(count) {
  return guarded(async () => {
    if (hole.isEmpty) {
      throw new Failure("Nothing is painted yet.", { advice: "Paint over what is missing first." });
    }
    if (!the("options").checkValidity()) {
      the("options").closest("details").open = true; // what is folded cannot be told of
      the("options").reportValidity();
      return;
    }
    const asked = options();
    const seeds = Array.from({ length: count }, (_, i) => asked.seed + i);
    doing = new AbortController();
    const { signal } = doing;
    stage.compare(null);
    forget();
    enter("restoring");
    the("cancel").focus();
    try {
      const made = await restored(asked, seeds, signal);
      signal.throwIfAborted();
      show(made);
    } catch (error) {
      if (!signal.aborted) paintOn();
      throw error;
    }
  });
}

/** Returns what comes of each seed, one after the other: a small service would be too busy for all at once. */
async function restored(asked, seeds, signal) {
  const made = [];
  progressed(engine.begins, 0);
  for (const seed of seeds) {
    const spread = seed === 0 ? 0 : SPREAD;
    const result = await engine.inpaint(photograph, hole, { ...asked, seed, spread, signal }, ({ done, of }) =>
      progressed("Restoring", (made.length + done / of) / seeds.length),
    );
    made.push({ ...result, seed, bitmap: await decoded(result.picture) });
  }
  return made;
}

function progressed(what, share) {
  const text = `${what} …`;
  if (the("progress-told").textContent !== text) say(text);
  the("progress-told").textContent = text;
  the("progress").value = share;
}

function cancel() {
  doing.abort();
  paintOn();
  say("Cancelled.");
}

/** Goes back to painting, the hole as it was. */
function paintOn() {
  stage.compare(null);
  forget();
  enter("painting");
  the("restore").focus();
}

function forget() {
  for (const { bitmap } of results) bitmap.close();
  results = [];
  if (the("download").href.startsWith("blob:")) URL.revokeObjectURL(the("download").href);
  the("gallery").hidden = true;
}

// What became of it

function show(made) {
  results = made;
  enter("restored");
  const { bounds } = hole;
  gallery.show(results, bounds);
  the("more-variants").hidden = results.length > 1 || !offers("variants");
  stage.refit();
  const middle = stage.view.toScreen({ x: (bounds.left + bounds.right) / 2, y: 0 });
  slider.set(Math.min(Math.max(middle.x / stage.size.width, 0.1), 0.9));
  choose(0);
  the("result-title").focus({ preventScroll: true });
  the("stage").scrollIntoView({ block: "nearest" });
  say(`Restored. ${the("told").textContent}`);
}

function choose(index) {
  chosen = index;
  const { bitmap, picture, seed, seconds, faces, remarks } = results[chosen];
  stage.compare(bitmap);
  the("told").textContent = `In ${seconds.toFixed(1)} seconds${offers("seed") ? `, with seed ${seed}` : ""}.`;
  const notes = [...faces.filter((face) => face.restored).map(sentenceOn), ...remarks];
  the("notes").replaceChildren(
    ...notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })),
  );
  const link = the("download");
  if (link.href.startsWith("blob:")) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(picture);
  const stem = photograph.name.replace(/\.[^.]*$/, "");
  link.download = `${stem}-restored.${EXTENSIONS[picture.type] ?? "png"}`;
  the("file").textContent = `${link.download}, ${sizeOf(picture.size)}`;
}

function sentenceOn({ mirror }, i, faces) {
  const who = faces.length > 1 ? `Face ${i + 1}` : "The face";
  if (mirror?.used) return `${who}: its other half was taken for the hole.`;
  return `${who}: as the model draws it${mirror ? `; ${mirror.why}` : ""}.`;
}

function sizeOf(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

// Who is listened to

const clicks = {
  another: () => the("choose").click(),
  undo,
  redo,
  clear: () => painter.clear(),
  invert: () => painter.invert(),
  "zoom-in": () => zoom(1.25),
  "zoom-out": () => zoom(0.8),
  "zoom-fit": () => stage.fit(),
  restore: () => restore(1),
  variants: () => restore(VARIANTS),
  "more-variants": () => restore(VARIANTS),
  cancel,
  "paint-on": paintOn,
};
for (const [id, act] of Object.entries(clicks)) the(id).addEventListener("click", act);

function zoom(factor) {
  stage.view.zoom(factor);
  stage.viewChanged();
}

for (const input of document.querySelectorAll('[name="tool"]')) {
  input.addEventListener("change", () => chooseTool(input.value));
}
the("size").addEventListener("input", sized);
the("options").addEventListener("submit", (event) => event.preventDefault());
the("mask").addEventListener("change", ({ target }) => {
  guarded(async () => {
    painter.take(await readMask(target.files[0], photograph));
    say("The mask was taken.");
  }).finally(() => (target.value = ""));
});
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || state() !== "painting" || event.target.matches("input:not([type=radio])")) return;
  const key = event.key.toLowerCase();
  if (key === "z") (event.shiftKey ? redo : undo)();
  else if (key === "y") redo();
  else return;
  event.preventDefault();
});
gestures.listen(the("stage"), stage, hand);
keys.listen(the("stage"), stage, hand);
intake.listen([the("choose"), the("take")], open);
the("host").textContent = location.host;
for (const element of document.querySelectorAll("[data-needs]")) element.hidden = !offers(element.dataset.needs);
for (const element of document.querySelectorAll(".terms")) {
  element.textContent = engine.terms ?? "";
  element.hidden = !engine.terms;
}
