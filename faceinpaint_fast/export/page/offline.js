// Has the browser keep the page, so that it opens without a network.  A file on a disk is there anyway.

if (/^https?:$/.test(location.protocol)) navigator.serviceWorker?.register("service_worker.js");
