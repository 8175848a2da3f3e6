// What went wrong, and what to do about it.

const FORMATS = "PNG, JPEG or WebP";

/**
 * A failure that can be told: of the page's own, with its advice, or of an engine's, with what it said of it.
 *
 * status  as HTTP has them, 0 where there was no answer; field: which part of what was asked is to blame, if any
 */
export class Failure extends Error {
  constructor(message, { advice = null, status = null, field = null, retryAfter = null, requestId = null } = {}) {
    super(message);
    Object.assign(this, { status, field, retryAfter, requestId });
    this.advice = advice ?? adviceOn(this);
  }
}

function adviceOn({ status, field, message, retryAfter }) {
  switch (status) {
    case 0:
      return "The service does not answer. See that it is running, then try again.";
    case 401:
    case 403:
      return "This service asks for a token. Whoever runs it knows the token.";
    case 408:
      return "The photograph was too slow to arrive. Try again, or save it with fewer pixels and choose it again.";
    case 413:
      return "The photograph is larger than this service takes. Save it with fewer pixels, or as a JPEG, and choose it again.";
    case 415:
      return `The service cannot read this kind of file. Save it as ${FORMATS}, and choose it again.`;
    case 429:
      return `Others are being served. Try again in ${retryAfter ?? "a few"} seconds.`;
    case 503:
      return "The service is starting, or about to stop. Try again in a moment.";
    case 504:
      return "It took longer than this service allows. Try again, with fewer iterations or a smaller photograph.";
    case 400:
    case 422:
      return adviceOnField(field, message);
    default:
      return "This should not happen. Try again; if it happens again, tell whoever runs this service.";
  }
}

function adviceOnField(field, message) {
  if (/expected a face\b/.test(message)) {
    return "No face was found. Take the tool “Face”, draw a box around the face, and restore again.";
  }
  switch (field) {
    case "hole":
      return "Paint over what is missing, and leave some of each face as it is. Then restore again.";
    case "image":
      return `The photograph cannot be read. Save it anew as ${FORMATS}, and choose it again.`;
    case "seed":
    case "iterations":
    case "mirror":
      return `Change the ${field} under “Options”, and restore again.`;
    case "boxes":
    case "landmarks":
      return "Draw the box around the face anew, and restore again.";
    default:
      return "The service does not take this as it is. What it says of it:";
  }
}
