"""What a service tells of itself, as Prometheus reads it: requests, the queue, sizes of batches, seconds by stage."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SIZES = [2**n for n in range(11)]
SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where prometheus_client has the numbers of several processes


class Measures:
    """The numbers of a service, or of all processes of one that has several."""

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        name = "faceinpaint_"
        self.requests = Counter(f"{name}requests", "Requests answered", ["route", "status"], registry=own)
        self.batches = Histogram(f"{name}batch_faces", "Faces of a batch", buckets=SIZES, registry=own)
        self.seconds = Histogram(
            f"{name}seconds", "Seconds by stage of a request", ["stage"], buckets=SECONDS, registry=own
        )
        self._at_work = self._gauge("requests_at_work", "Requests that are worked at or wait")
        self._waiting = self._gauge("queue_faces", "Faces that wait for the engine")
        if FOLDER in os.environ:
            # those of the other processes too
            self._registry = CollectorRegistry()
            MultiProcessCollector(self._registry)

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(f"faceinpaint_{name}", what, registry=self._registry, multiprocess_mode="livesum")

    def told(self, at_work: int, waiting: int) -> None:
        """Notes how much there is to do now."""
        self._at_work.set(at_work)
        self._waiting.set(waiting)

    def text(self) -> bytes:
        """Returns all of it in Prometheus's text format."""
        return generate_latest(self._registry)
