// The engine that the page asks: a page of another engine has this one module otherwise.

export { HttpEngine as Engine } from "./http_engine.js";
