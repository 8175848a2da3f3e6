// Server-sent events out of the body of an answer.  EventSource only asks by GET, and a picture goes by POST.

/** Yields {event, data} of a stream of bytes; what is no whole event at its end is left out. */
export async function* eventsOf(body) {
  let event = "message";
  let data = [];
  for await (const line of linesOf(body)) {
    if (line === "") {
      if (data.length > 0) yield { event, data: data.join("\n") };
      event = "message";
      data = [];
    } else {
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
      if (field === "event") event = value;
      else if (field === "data") data.push(value);
    }
  }
}

/** Yields whole lines; a line may come in many pieces, which are joined once. */
async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let pieces = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const [first, ...rest] = value.split("\n");
      pieces.push(first);
      for (const next of rest) {
        const line = pieces.join("");
        yield line.endsWith("\r") ? line.slice(0, -1) : line;
        pieces = [next];
      }
    }
  } finally {
    await reader.cancel();
  }
}
