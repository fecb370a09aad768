"""The campaign file: what a user writes, read and checked once, at the edge."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Self

import fsspec
import yaml
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from lamplighter import redaction
from lamplighter.errors import ConfigError, unknown
from lamplighter.label_sections import (
    AlarmConfig,
    AnnotatorsConfig,
    GoldConfig,
    OverlapConfig,
    QualityConfig,
    RelabelConfig,
    WaitingConfig,
)
from lamplighter.sections import (
    BalanceConfig,
    BudgetConfig,
    ClusterConfig,
    CommitteeConfig,
    Component,
    EvaluationConfig,
    LearnerConfig,
    Metric,
    Named,
    NearDuplicatesConfig,
    PoolConfig,
    Section,
    ShareConfig,
    TlsConfig,
    read_committee,
    read_component,
    read_near_duplicates,
)

__all__ = [
    "BalanceConfig",
    "BudgetConfig",
    "Campaign",
    "ClusterConfig",
    "CommitteeConfig",
    "Component",
    "EvaluationConfig",
    "LearnerConfig",
    "Metric",
    "Named",
    "NearDuplicatesConfig",
    "PoolConfig",
    "Section",
    "ShareConfig",
    "TlsConfig",
    "load",
    "parse",
    "thaw",
]


class Campaign(Section):
    """One labeling effort. `${NAME}` in a text refers to the environment and stays unresolved here."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    seed: int = Field(default=0, ge=0)
    pool: PoolConfig
    classes: tuple[str, ...] = Field(min_length=2)
    learner: Annotated[LearnerConfig, BeforeValidator(read_component)]
    committee: Annotated[CommitteeConfig | None, BeforeValidator(read_committee)] = None
    strategy: Named = Component(name="cluster_margin")
    mix: tuple[ShareConfig, ...] = ()
    balance: BalanceConfig | None = None
    near_duplicates: Annotated[NearDuplicatesConfig, BeforeValidator(read_near_duplicates)] = (
        NearDuplicatesConfig()
    )
    cold_start: Named = Component(name="representative")
    batch_size: int = Field(ge=1)
    max_outstanding: int | None = Field(default=None, ge=1)
    labeler: Named
    quality: QualityConfig | None = None
    waiting: WaitingConfig = WaitingConfig()
    evaluation: EvaluationConfig
    stopping: tuple[Named, ...] = ()
    budget: BudgetConfig = BudgetConfig()
    store: str
    control: str | None = None  #: store of the same campaign with the random strategy, drawn beside it
    cluster: ClusterConfig | None = None

    @model_validator(mode="after")
    def _classes_differ(self) -> Self:
        doubled = sorted({c for c in self.classes if self.classes.count(c) > 1})
        if doubled:
            raise ValueError(f"classes: {doubled} named more than once")
        return self

    @model_validator(mode="after")
    def _something_is_left_for_the_strategy(self) -> Self:
        total = round(sum(part.share for part in self.mix), 9)
        if total >= 1:
            raise ValueError(f"mix: the shares add up to {total:g}; they leave nothing to the strategy")
        return self

    @model_validator(mode="after")
    def _rare_classes_are_known(self) -> Self:
        for name in self.balance.rare if self.balance else ():
            if name not in self.classes:
                raise ValueError(f"balance.rare: {unknown('class', name, self.classes)}")
        if self.balance and len(set(self.balance.rare)) == len(self.classes):
            raise ValueError("balance.rare: names all classes; leave out those there is plenty of")
        return self

    def redactor(self) -> redaction.Redactor:
        """Give what blots out this campaign's secrets."""
        return redaction.Redactor(redaction.references(self.model_dump()))

    def digest(self) -> str:
        """SHA-256 (hex) of the campaign, secrets unresolved."""
        return sha256(self.frozen()).hexdigest()

    def frozen(self) -> bytes:
        """Give the JSON that the store keeps: references, never values of the environment."""
        return json.dumps({"format": 1, **self.model_dump(mode="json")}, indent=1, sort_keys=True).encode()


def thaw(frozen: bytes) -> Campaign:
    """Read what `Campaign.frozen` wrote."""
    data = json.loads(frozen)
    del data["format"]
    data.setdefault("near_duplicates", False)  # what an earlier version froze knew of none
    return Campaign.model_validate(data)


def load(path: str) -> Campaign:
    """Read a campaign file, local or remote; raises ConfigError with every fault in it.

    Relative local paths in it are taken from the folder of the file.
    """
    try:
        with fsspec.open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError as error:
        raise ConfigError(f"no campaign file at {path}; write one with: lamplighter init FOLDER") from error
    except (OSError, ValueError, ImportError) as error:  # the latter: no such protocol, or none installed
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return parse(text, path, base=None if "://" in path else Path(path).resolve().parent)


def parse(text: str | bytes, name: str, base: Path | None = None) -> Campaign:
    """Read a campaign from YAML text; `name` is for messages, `base` anchors relative paths."""
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: not YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{name}: holds {type(data).__name__}; a campaign file is a mapping of keys")
    try:
        campaign = Campaign.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{name}: " + "; ".join(_faults(error))) from error
    return _anchor(campaign, base) if base else campaign


def _anchor(campaign: Campaign, base: Path) -> Campaign:
    """Make relative local paths absolute, so that the campaign means the same from any folder."""

    def anchored(url: str) -> str:
        return url if "://" in url or url.startswith(("${", "/")) else str(base / url)

    evaluation = campaign.evaluation
    if evaluation.test_set:
        evaluation = evaluation.model_copy(update={"test_set": anchored(evaluation.test_set)})
    quality = campaign.quality
    if quality and quality.gold:
        gold = quality.gold.model_copy(update={"url": anchored(quality.gold.url)})
        quality = quality.model_copy(update={"gold": gold})
    params = _anchored_params(campaign.labeler.name, campaign.labeler.params, anchored)
    return campaign.model_copy(
        update={
            "pool": campaign.pool.model_copy(update={"url": anchored(campaign.pool.url)}),
            "store": anchored(campaign.store),
            "control": anchored(campaign.control) if campaign.control else None,
            "evaluation": evaluation,
            "quality": quality,
            "labeler": campaign.labeler.model_copy(update={"params": params}),
        }
    )


def _anchored_params(name: str, params: dict[str, Any], anchored: Callable[[str], str]) -> dict[str, Any]:
    """Make the paths among a labeler's parameters absolute, also of the labelers inside a route."""
    params = dict(params)
    if name == "simulated" and isinstance(params.get("labels"), str):
        params["labels"] = anchored(params["labels"])
    if name == "route" and isinstance(params.get("labelers"), list):
        params["labelers"] = [_anchored_part(part, anchored) for part in params["labelers"]]
    return params


def _anchored_part(part: Any, anchored: Callable[[str], str]) -> Any:
    # What has another form is refused where the route is built, which can say what is wrong with it.
    if not isinstance(part, dict) or not isinstance(part.get("params"), dict):
        return part
    return part | {"params": _anchored_params(str(part.get("name")), part["params"], anchored)}


def _faults(error: ValidationError) -> list[str]:
    # Without the input: a value may be a secret.
    found = error.errors(include_input=False, include_url=False)
    return [_fault(e["loc"], e["type"], e["msg"]) for e in found]


def _fault(location: tuple[int | str, ...], kind: str, message: str) -> str:
    where = ".".join(str(part) for part in location) or "campaign"
    if kind == "extra_forbidden":
        return f"{where}: {unknown('key', str(location[-1]), _keys(location[:-1]))}"
    if kind == "missing":
        return f"{where}: missing; it must be given"
    return f"{where}: {message.removeprefix('Value error, ')}"


def _keys(location: tuple[int | str, ...]) -> list[str]:
    """Give the keys allowed at a place of the file, by walking the model."""
    sections: dict[str, type[Section]] = {
        "pool": PoolConfig,
        "learner": LearnerConfig,
        "committee": CommitteeConfig,
        "learners": LearnerConfig,
        "mix": ShareConfig,
        "balance": BalanceConfig,
        "near_duplicates": NearDuplicatesConfig,
        "evaluation": EvaluationConfig,
        "budget": BudgetConfig,
        "cluster": ClusterConfig,
        "quality": QualityConfig,
        "gold": GoldConfig,
        "overlap": OverlapConfig,
        "relabel": RelabelConfig,
        "annotators": AnnotatorsConfig,
        "alarm": AlarmConfig,
        "waiting": WaitingConfig,
        "tls": TlsConfig,
    }
    last = [
        part for part in location if isinstance(part, str) and part in {*sections, *Campaign.model_fields}
    ]
    section = Campaign if not last else sections.get(last[-1], Component)
    return list(section.model_fields)
