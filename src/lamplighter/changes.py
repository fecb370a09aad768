"""What may change in a campaign file between rounds, and what may not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lamplighter.errors import CampaignChanged

if TYPE_CHECKING:
    from lamplighter.config import Campaign

#: What may not change once rounds exist, with how to read it.
FIXED = ("name", "seed", "classes", "pool.id", "pool.features", "evaluation.holdout", "evaluation.test_set")


def check_unchanged(before: bytes, now: Campaign) -> None:
    """Compare with the campaign frozen in the store; raises CampaignChanged.

    Fixed is what would falsify earlier rounds: another seed or holdout would let trained rows into
    the evaluation, other classes or features would give old labels and models a new meaning.
    """
    old, new = json.loads(before), json.loads(now.frozen())
    changed = [path for path in FIXED if _at(old, path) != _at(new, path)]
    if changed:
        told = "; ".join(f"{p} was {_brief(_at(old, p))}, is {_brief(_at(new, p))}" for p in changed)
        free = sorted({*type(now).model_fields} - {p.split(".")[0] for p in FIXED})
        raise CampaignChanged(
            f"the campaign file changed what earlier rounds rest on: {told}. Put it back, or start a new "
            f"campaign with another store. You may change: {', '.join(free)}, pool.url, pool.glob, "
            "pool.display, evaluation.metric"
        )


def _at(data: Any, path: str) -> Any:
    for part in path.split("."):
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _brief(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
