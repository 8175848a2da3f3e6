// Where a failure is told: what to do first, then what was said of it; and a token is asked for where one is needed.

const REFUSED = [401, 403];

export class FailureBox {
  #element;

  /** `useToken` hears a token that was typed. */
  constructor(element, useToken) {
    this.#element = element;
    const form = element.querySelector("form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.hide();
      useToken(form.elements.token.value);
    });
  }

  show(failure) {
    const { advice, message, status, requestId } = failure;
    this.#element.querySelector(".advice").textContent = advice;
    this.#element.querySelector(".message").textContent = requestId ? `${message} (request ${requestId})` : message;
    const asks = REFUSED.includes(status);
    this.#element.querySelector("form").hidden = !asks;
    this.#element.hidden = false;
    if (asks) this.#element.querySelector("input").focus();
    else this.#element.scrollIntoView({ block: "nearest" });
  }

  hide() {
    this.#element.hidden = true;
  }
}
