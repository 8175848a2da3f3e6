// The engine of the page where there is no service: a worker of its own.

import "./offline.js";

export { WorkerEngine as Engine } from "./worker_engine.js";
