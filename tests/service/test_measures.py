"""The numbers of a service, also of one of several processes."""

from __future__ import annotations

import os
import subprocess
import sys

from faceinpaint_fast.service.measures import FOLDER, Measures


def test_numbers_are_told_as_prometheus_reads_them():
    measures = Measures()
    measures.requests.labels("/v1/inpaint", "200").inc()
    measures.batches.observe(3)
    measures.seconds.labels("search").observe(0.2)
    measures.told(5, 7)
    text = measures.text().decode()
    for line in (
        'faceinpaint_requests_total{route="/v1/inpaint",status="200"} 1.0',
        'faceinpaint_batch_faces_bucket{le="4.0"} 1.0',
        "faceinpaint_batch_faces_sum 3.0",
        'faceinpaint_seconds_bucket{le="0.25",stage="search"} 1.0',
        "faceinpaint_requests_at_work 5.0",
        "faceinpaint_queue_faces 7.0",
    ):
        assert line in text.splitlines()


def test_two_services_of_a_process_have_numbers_of_their_own():
    first, second = Measures(), Measures()
    first.batches.observe(1)
    assert b"faceinpaint_batch_faces_sum 0.0" in second.text()


def test_each_of_several_processes_tells_the_numbers_of_all(tmp_path):
    program = """
from faceinpaint_fast.service.measures import Measures
measures = Measures()
measures.requests.labels("/", "200").inc()
measures.told(1, 0)
print(measures.text().decode())
"""
    environment = os.environ | {FOLDER: str(tmp_path)}
    for count in (1, 2):
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        assert f'faceinpaint_requests_total{{route="/",status="200"}} {count}.0' in done.stdout
