"""What the model does on the labelled holdout, with 95% intervals."""

from lamplighter.evaluation.churn import churn
from lamplighter.evaluation.holdout import evaluate, measure
from lamplighter.evaluation.intervals import wilson
from lamplighter.evaluation.scores import METRICS, higher_is_better

__all__ = ["METRICS", "churn", "evaluate", "higher_is_better", "measure", "wilson"]
