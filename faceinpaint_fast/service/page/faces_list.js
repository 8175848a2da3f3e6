// The faces of the photograph in words, each with buttons that cover parts of it.

import { partsOf } from "./parts.js";

const POINTS = 5; // of a face that is known: eyes, nose, corners of the mouth

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

  /** Lists faces that were found, or says that there is `none`. */
  show(faces, none) {
    if (faces.length === 0) {
      this.tell(none);
      return;
    }
    this.tell(faces.length === 1 ? "One was found. Cover a part of it:" : `${faces.length} were found. Cover parts of them:`);
    this.#append(faces);
  }

  /** Lists faces that were marked, and `forget`s them if asked to. */
  showMarked(faces, forget) {
    this.tell(faces.length === 1 ? "The one that you marked is restored." : `The ${faces.length} that you marked are restored.`);
    this.#append(faces);
    const row = document.createElement("div");
    row.className = "row";
    row.append(button("Forget them", forget));
    this.#list.append(row);
  }

  /** Adds the parts of faces, of those whose points are all known. */
  #append(faces) {
    for (const [i, face] of faces.entries()) {
      if (face.points.length === POINTS) this.#list.append(this.#row(face, faces.length > 1 ? `Face ${i + 1}` : null));
    }
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
