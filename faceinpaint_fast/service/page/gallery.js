// Variants side by side: of each the square around the hole, to choose one of them.

const AROUND = 1.6; // times the hole's size, that is shown
const SHARP = 2; // pixels of a canvas to one of the page

export class Gallery {
  #element;
  #chosen;

  /** `chosen` hears which of the results was chosen, by its index. */
  constructor(element, chosen) {
    this.#element = element;
    this.#chosen = chosen;
  }

  /** Shows results, each {bitmap, seed}, around the box of their hole, the first chosen; fewer than two are hidden. */
  show(results, box) {
    this.#element.hidden = results.length < 2;
    const cards = results.map(({ seed }, i) => this.#card(seed, i));
    this.#element.querySelector(".cards").replaceChildren(...cards);
    if (results.length < 2) return;
    for (const [i, { bitmap }] of results.entries()) draw(cards[i].querySelector("canvas"), bitmap, box);
  }

  #card(seed, i) {
    const card = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "radio", name: "variant", value: i });
    input.checked = i === 0;
    input.addEventListener("change", () => this.#chosen(i));
    const caption = document.createElement("span");
    caption.textContent = `Seed ${seed}`;
    card.append(input, document.createElement("canvas"), caption);
    return card;
  }
}

function draw(canvas, bitmap, box) {
  canvas.width = canvas.clientWidth * SHARP;
  canvas.height = canvas.clientHeight * SHARP;
  const side = AROUND * Math.max(box.right - box.left, box.bottom - box.top);
  const from = { width: Math.min(side, bitmap.width), height: Math.min(side, bitmap.height) };
  const start = (middle, length, all) => Math.min(Math.max(middle - length / 2, 0), all - length);
  const x = start((box.left + box.right) / 2, from.width, bitmap.width);
  const y = start((box.top + box.bottom) / 2, from.height, bitmap.height);
  const scale = Math.min(canvas.width / from.width, canvas.height / from.height);
  const [width, height] = [from.width * scale, from.height * scale];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  const [left, top] = [(canvas.width - width) / 2, (canvas.height - height) / 2];
  context.drawImage(bitmap, x, y, from.width, from.height, left, top, width, height);
}
