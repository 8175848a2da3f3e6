// The ways in for a photograph: chosen, taken with a camera, dropped or pasted anywhere on the page.

/** `take` hears of each file; inputs are file inputs. */
export function listen(inputs, take) {
  for (const input of inputs) {
    input.addEventListener("change", () => {
      if (input.files.length > 0) take(input.files[0]);
      input.value = ""; // so that the same file can be chosen again
    });
  }

  let inside = 0; // drags enter and leave every element on their way
  const over = (change) => {
    inside = change === 0 ? 0 : inside + change;
    document.body.classList.toggle("dropping", inside > 0);
  };
  addEventListener("dragenter", () => over(1));
  addEventListener("dragleave", () => over(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    over(0);
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  });
  addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file) take(file);
  });
}
