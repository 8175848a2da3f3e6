// What mouse, pen and fingers do on the stage: one paints, two fingers or the middle button move the view, the wheel zooms.

const SECOND = 300; // milliseconds in which a second finger takes back what the first one began
const WHEEL = 0.002; // of a zoom, by pixel of a wheel that was turned
const PINCHED = 0.01; // of one by two fingers on a touchpad, which comes as a wheel
const LINE = 16; // pixels of a wheel that counts lines

/**
 * Listens on an element.
 *
 * stage  a Stage
 * hand   {pans: whether one pointer moves the view; down(point, {erases}), move(point), up(), cancel(), hover(point or
 *        null)}, points in the picture's pixels
 */
export function listen(element, stage, hand) {
  const pointers = new Map(); // those that are down, and where
  let doing = null; // "tool", "pan" or "pinch"
  let began = 0;

  function stop() {
    if (doing === "tool") hand.up();
    doing = null;
  }

  function pan(event) {
    const { x, y } = pointers.get(event.pointerId);
    stage.view.pan(event.clientX - x, event.clientY - y);
    stage.viewChanged();
  }

  function pinch(event) {
    const before = middleOf(pointers);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const after = middleOf(pointers);
    stage.view.pan(after.x - before.x, after.y - before.y);
    if (before.apart > 0) {
      stage.view.zoom(after.apart / before.apart, stage.placeOf({ clientX: after.x, clientY: after.y }));
    }
    stage.viewChanged();
  }

  element.addEventListener("pointerdown", (event) => {
    const isOther = event.pointerType === "mouse" && event.button > 1;
    // a palm lies on the screen while a pen draws
    const isPalm = pointers.size > 0 && event.pointerType !== "touch";
    if (isOther || isPalm || pointers.size > 1) return;
    if (event.button !== 1) element.focus({ preventScroll: true });
    event.preventDefault();
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pointers.size === 2) {
      if (doing === "tool" && event.timeStamp - began < SECOND) hand.cancel();
      else stop();
      doing = "pinch";
    } else if (event.button === 1 || hand.pans) {
      doing = "pan";
    } else {
      doing = "tool";
      began = event.timeStamp;
      hand.down(stage.pointAt(event), { erases: (event.buttons & 32) > 0 });
    }
  });

  element.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) {
      if (event.pointerType !== "touch") hand.hover(stage.pointAt(event));
      return;
    }
    if (doing === "pinch") pinch(event);
    else if (doing === "pan") pan(event);
    else if (doing === "tool") {
      // all that came since the last frame: a fast stroke stays a curve
      const every = event.getCoalescedEvents?.() ?? [];
      for (const each of every.length > 0 ? every : [event]) hand.move(stage.pointAt(each));
    }
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });

  for (const name of ["pointerup", "pointercancel"]) {
    element.addEventListener(name, (event) => {
      if (!pointers.delete(event.pointerId)) return;
      if (name === "pointercancel" && doing === "tool") hand.cancel();
      else stop();
      if (event.pointerType === "touch") hand.hover(null); // a finger that is lifted is nowhere
      if (pointers.size === 1 && doing === null) doing = "pan"; // a finger that was lifted from a pinch leaves the other
    });
  }
  element.addEventListener("pointerleave", () => hand.hover(null));

  element.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const turned = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1);
      stage.view.zoom(Math.exp(-turned * (event.ctrlKey ? PINCHED : WHEEL)), stage.placeOf(event));
      stage.viewChanged();
    },
    { passive: false },
  );
}

/** The point between two pointers, and how far they are apart. */
function middleOf(pointers) {
  const [a, b] = pointers.values();
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.hypot(a.x - b.x, a.y - b.y) };
}
