// Where the files of the page lie: in its folder.

/** Returns the content of a file, as a Blob, by its name in the folder. */
export async function supply(name) {
  const answer = await fetch(new URL(name, document.baseURI));
  if (!answer.ok) throw new Error(`${name}: ${answer.status} ${answer.statusText}`);
  return answer.blob();
}

/** Starts a worker of a module. */
export function workerOf(name) {
  // of a blob, it keeps to the policy of the page; of an address, it would have that of whoever serves it: none
  const source = `import "${new URL(name, document.baseURI)}";`;
  return new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })), { type: "module" });
}
