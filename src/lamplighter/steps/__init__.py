"""The steps of a round. Each reads the ledger, does its work and writes one checkpoint."""

from lamplighter.steps.perform import perform, run_round

__all__ = ["perform", "run_round"]
