// The stage by keys: arrows move the tool, Space puts it down and lifts it, letters choose another.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const TOOLS = { b: "brush", e: "eraser", r: "rectangle", f: "face", h: "hand" };
const STEP = 12; // screen pixels of an arrow
const FINE = 1; // of one with Shift
const ZOOM = 1.25;

/**
 * Listens on an element.
 *
 * stage  a Stage
 * hand   as for gestures, and paints (whether there is a tool), isDown, at (where it is, or null), choose(tool),
 *        resize(direction), invert()
 */
export function listen(element, stage, hand) {
  const looks = { "+": () => zoom(ZOOM), "=": () => zoom(ZOOM), "-": () => zoom(1 / ZOOM), 0: () => stage.fit() };
  const paints = {
    " ": () => (hand.isDown ? hand.up() : hand.down(place())),
    Escape: () => hand.cancel(),
    "[": () => hand.resize(-1),
    "]": () => hand.resize(1),
    i: () => hand.invert(),
  };

  /** Where the tool is; the middle of the stage where it is nowhere. */
  function place() {
    return hand.at ?? stage.view.toPicture({ x: stage.size.width / 2, y: stage.size.height / 2 });
  }

  function zoom(factor) {
    stage.view.zoom(factor, hand.at ? stage.view.toScreen(hand.at) : undefined);
    stage.viewChanged();
  }

  function moved([dx, dy], isFine) {
    const step = isFine ? FINE : STEP;
    if (hand.pans) {
      stage.view.pan(-dx * step, -dy * step);
    } else {
      const { x, y } = place();
      const point = stage.inside({ x: x + (dx * step) / stage.view.scale, y: y + (dy * step) / stage.view.scale });
      if (hand.isDown) hand.move(point);
      else hand.hover(point);
      stage.view.reveal(point);
    }
    stage.viewChanged();
  }

  element.addEventListener("keydown", (event) => {
    // those of whatever lies upon the stage are its own
    if (event.target !== element || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const arrow = ARROWS[key];
    const tool = hand.paints && TOOLS[key];
    const act = looks[key] ?? (hand.paints && paints[key]);
    if (arrow) moved(arrow, event.shiftKey);
    else if (tool) hand.choose(tool);
    else if (act) act();
    else return;
    event.preventDefault();
  });
}
