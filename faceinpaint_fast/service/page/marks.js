// What is drawn over the photograph in lines: faces, the tool's outline, a box that is being drawn.

const SVG = "http://www.w3.org/2000/svg";

export class Marks {
  faces = [];
  /** Where the tool is, {x, y}, and how wide, in pixels of the picture; null: nowhere. */
  tool = null;
  isDown = false;
  /** A box that is being drawn. */
  box = null;
  #svg;

  constructor(svg) {
    this.#svg = svg;
  }

  draw(view) {
    const shapes = this.faces.flatMap((face, i) => faceShapes(face, i, this.faces.length, view));
    if (this.box) shapes.push(...outlined("rect", boxShape(this.box, view)));
    if (this.tool) shapes.push(...toolShapes(this.tool, this.isDown, view));
    this.#svg.replaceChildren(...shapes);
  }
}

function faceShapes({ points, frame }, index, count, view) {
  const at = (point) => view.toScreen({ x: point[0], y: point[1] });
  const corners = frame.map(at);
  const shapes = outlined("polygon", { points: corners.map(({ x, y }) => `${x},${y}`).join(" ") }, "face");
  shapes.push(...points.map(at).map(({ x, y }) => shape("circle", { cx: x, cy: y, r: 2.5, class: "point" })));
  if (count > 1) {
    const beside = corners[0] ?? at(points[0]);
    const label = shape("text", { x: beside.x + 6, y: beside.y + 17, class: "number" });
    label.textContent = index + 1;
    shapes.push(label);
  }
  return shapes;
}

function boxShape(box, view) {
  const { x, y } = view.toScreen({ x: box.left, y: box.top });
  return { x, y, width: (box.right - box.left) * view.scale, height: (box.bottom - box.top) * view.scale };
}

function toolShapes({ x, y, diameter }, isDown, view) {
  const at = view.toScreen({ x, y });
  if (diameter) return outlined("circle", { cx: at.x, cy: at.y, r: (diameter / 2) * view.scale }, isDown ? "down" : "");
  const cross = `M${at.x - 9} ${at.y}h18M${at.x} ${at.y - 9}v18`;
  return outlined("path", { d: cross }, isDown ? "down" : "");
}

/** A shape in light over the same in dark, so that it is seen on whatever lies below. */
function outlined(name, attributes, kind = "") {
  return ["under", "over"].map((layer) => shape(name, { ...attributes, class: `${layer} ${kind}` }));
}

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
