// Keeps the files of the page, and answers with them.  VERSION and FILES, which stand above, are of this very copy: another
// copy is another version, whose files are all fetched before it takes this one's place.

const ours = `faceinpaint ${registration.scope} `;
const name = ours + VERSION;

addEventListener("install", (event) => {
  const fetched = FILES.map((file) => new Request(file, { cache: "reload" }));
  event.waitUntil(caches.open(name).then((cache) => cache.addAll(fetched)));
});

addEventListener("activate", (event) => {
  event.waitUntil(forgetOthers().then(() => clients.claim()));
});

addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(answerTo(event.request));
});

async function forgetOthers() {
  const others = (await caches.keys()).filter((each) => each.startsWith(ours) && each !== name);
  await Promise.all(others.map((each) => caches.delete(each)));
}

async function answerTo(request) {
  const cache = await caches.open(name);
  return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
}
