"""Strategies by the name they have in a campaign file.

Other packages add theirs through the entry point group "lamplighter.strategies".
"""

from __future__ import annotations

from lamplighter.registry import Registry
from lamplighter.strategies.badge import Badge
from lamplighter.strategies.base import Strategy
from lamplighter.strategies.baseline import Random
from lamplighter.strategies.cluster_margin import ClusterMargin
from lamplighter.strategies.cluster_representatives import ClusterRepresentatives
from lamplighter.strategies.committee import ConsensusKl, MaxDisagreement, VoteEntropy
from lamplighter.strategies.density import InformationDensity
from lamplighter.strategies.facility_location import FacilityLocation
from lamplighter.strategies.gradient_length import ExpectedGradientLength
from lamplighter.strategies.k_center import KCenter
from lamplighter.strategies.mmr import Mmr
from lamplighter.strategies.novel import Novel
from lamplighter.strategies.power import PowerEntropy, PowerMargin
from lamplighter.strategies.rare import ClassMargin, RareClass
from lamplighter.strategies.representative import Representative
from lamplighter.strategies.typiclust import TypiClust
from lamplighter.strategies.uncertainty import Entropy, LeastConfidence, Margin

STRATEGIES: Registry[Strategy] = Registry(
    "strategy",
    {
        "random": Random,
        "least_confidence": LeastConfidence,
        "margin": Margin,
        "entropy": Entropy,
        "power_margin": PowerMargin,
        "power_entropy": PowerEntropy,
        "vote_entropy": VoteEntropy,
        "consensus_kl": ConsensusKl,
        "max_disagreement": MaxDisagreement,
        "expected_gradient_length": ExpectedGradientLength,
        "information_density": InformationDensity,
        "facility_location": FacilityLocation,
        "k_center": KCenter,
        "mmr": Mmr,
        "badge": Badge,
        "cluster_margin": ClusterMargin,
        "cluster_representatives": ClusterRepresentatives,
        "typiclust": TypiClust,
        "rare_class": RareClass,
        "class_margin": ClassMargin,
        "novel": Novel,
        "representative": Representative,
    },
    "lamplighter.strategies",
)
