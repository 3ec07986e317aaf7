"""The same no-op job for each of the systems that benchmarks/jobs.py compares. It notes how long it waited."""

import os
import time


def note(sent_at: float) -> None:
    """Append the seconds since `sent_at` to the file that the benchmark reads; nothing for a `sent_at` of 0."""
    if sent_at:
        waited = time.time() - sent_at
        descriptor = os.open(os.environ["JOB_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{waited}\n".encode())
        os.close(descriptor)
