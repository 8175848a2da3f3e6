// Opens the page out of one file.  Its files stand in it, packed, modules behind those that they import: each becomes an
// address, and what names a module names that.  Of modules it is their content, as a worker of a page from a disk may not ask
// for anything else; of others a blob's.

const places = {};

for (const element of document.querySelectorAll("script[data-name]")) {
  const { name } = element.dataset;
  const unpacked = new Blob([bytesOf(element.textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const packed = new Response(unpacked);
  element.remove();
  places[name] = name.endsWith(".js") ? await asData(linked(await packed.text())) : URL.createObjectURL(await packed.blob());
}
await import(places["page/main.js"]);

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function linked(text) {
  const named = text.replace(/(^import |\bfrom )"\.\/([^"]+)"/gm, (_, verb, file) => `${verb}"${places[`page/${file}`]}"`);
  return named.replace("PLACES", () => JSON.stringify(places));
}

function asData(text) {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(new Blob([text], { type: "text/javascript" }));
  });
}
