// The faces of the photograph in words, each with buttons that cover parts of it.

import { partsOf } from "./parts.js";

export class FacesList {
  #told;
  #list;
  #cover;

  /** `cover` hears the stroke of a part, and its name. */
  constructor(told, list, cover) {
    this.#told = told;
    this.#list = list;
    this.#cover = cover;
  }

  /** Says something in place of a list. */
  tell(text) {
    this.#told.textContent = text;
    this.#list.replaceChildren();
  }

  /** Lists faces that were found. */
  show(faces) {
    if (faces.length === 0) {
      this.tell("None was found. If there is one, draw a box around it with the tool “Face”.");
      return;
    }
    this.tell(faces.length === 1 ? "One was found. Cover a part of it:" : `${faces.length} were found. Cover parts of them:`);
    this.#list.append(...faces.map((face, i) => this.#row(face, faces.length > 1 ? `Face ${i + 1}` : null)));
  }

  /** Lists faces that were drawn, and `forget`s them if asked to. */
  showDrawn(count, forget) {
    this.tell(count === 1 ? "The one that you drew is restored." : `The ${count} that you drew are restored.`);
    const row = document.createElement("div");
    row.className = "row";
    row.append(button("Look for faces instead", forget));
    this.#list.append(row);
  }

  #row({ points }, name) {
    const row = document.createElement("div");
    row.className = "row";
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", name ?? "Cover a part of the face");
    if (name) row.append(Object.assign(document.createElement("span"), { className: "who", textContent: name }));
    for (const [part, stroke] of Object.entries(partsOf(points))) {
      row.append(button(part, () => this.#cover(stroke, part)));
    }
    return row;
  }
}

function button(text, act) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
  made.addEventListener("click", act);
  return made;
}
