// Where the files of the page lie: in itself.  What opens it puts their addresses here.

const ADDRESSES = PLACES;

export async function supply(name) {
  return (await fetch(ADDRESSES[name])).blob();
}

export function workerOf(name) {
  return new Worker(ADDRESSES[name], { type: "module" });
}
