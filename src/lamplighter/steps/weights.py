"""How much each label weighs in training."""

from __future__ import annotations

from lamplighter.arrays import F64
from lamplighter.quality.consensus import sample_weights
from lamplighter.standing import Standing


def training_weights(standing: Standing) -> F64 | None:
    """Give (n,) weights of the training rows; None where the campaign lets all weigh alike."""
    quality, rows = standing.driver.campaign.quality, standing.training
    if quality is None or not quality.weights or rows.confidence is None or not len(rows):
        return None
    return sample_weights(rows.confidence, len(standing.driver.campaign.classes))
