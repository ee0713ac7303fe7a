"""Processes for work on hostile text: killed on time, bounded in memory, without files, network or secrets."""

from resources.workers.pool import Outcome, WorkerPool

__all__ = ["Outcome", "WorkerPool"]
