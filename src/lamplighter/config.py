"""The campaign file: what a user writes, read and checked once, at the edge."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import fsspec
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lamplighter import redaction
from lamplighter.errors import ConfigError, unknown

Metric = Literal["accuracy", "macro_f1", "balanced_accuracy", "average_precision", "log_loss"]


class Section(BaseModel):
    """Base of all parts: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Component(Section):
    """Something registered, by name, with its parameters."""

    name: str
    params: dict[str, Any] = Field(default_factory=dict)


def _component(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Named = Annotated[Component, BeforeValidator(_component)]


class PoolConfig(Section):
    """Where the rows are, and which columns matter."""

    url: str
    glob: str = "**/*.parquet"
    id: str = "id"
    features: str | tuple[str, ...]
    display: tuple[str, ...] = ()

    @property
    def feature_columns(self) -> tuple[str, ...]:
        """The feature columns as a tuple, also when it is one embedding column."""
        return (self.features,) if isinstance(self.features, str) else self.features


class LearnerConfig(Component):
    """A scikit-learn classifier by dotted path, and what is put around it."""

    scale: bool = True
    calibrate: bool = True
    warm_start: bool = False


class CommitteeConfig(Section):
    """Several models for the strategies that ask where they disagree.

    Either `members` models of the campaign's learner, each fitted on its own bootstrap sample of the labels,
    or one model for each of the `learners`, fitted on all labels.
    """

    members: int | None = Field(default=None, ge=2)
    learners: tuple[Annotated[LearnerConfig, BeforeValidator(_component)], ...] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.members is None) == (self.learners is None):
            raise ValueError("give either members (a number, 2 or more) or learners (a list of learners)")
        if self.learners is not None and len(self.learners) < 2:
            raise ValueError(f"{len(self.learners)} learners make no committee; give at least 2")
        return self


def _committee(value: Any) -> Any:
    if isinstance(value, bool | str | float):
        raise ValueError("a committee is a number of members (committee: 5) or a list of learners")
    if isinstance(value, int):
        return {"members": value}
    return {"learners": value} if isinstance(value, list | tuple) else value


class EvaluationConfig(Section):
    """How the number shown is made: a random holdout of the pool, or a labelled test set."""

    holdout: int | float | None = None
    test_set: str | None = None
    label: str = "label"  #: column of the test set that holds the true class
    metric: Metric = "accuracy"

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.holdout is None) == (self.test_set is None):
            raise ValueError("give either holdout (a number of rows, or a fraction of the pool) or test_set")
        if isinstance(self.holdout, float) and not 0 < self.holdout < 1:
            raise ValueError(
                f"holdout is {self.holdout}; a fraction lies between 0 and 1, a size is a whole number"
            )
        if isinstance(self.holdout, int) and self.holdout < 1:
            raise ValueError(f"holdout is {self.holdout}; it must be at least 1 row")
        return self


class BudgetConfig(Section):
    """What the campaign may cost."""

    labels: int | None = Field(default=None, ge=1)
    cost: float | None = Field(default=None, gt=0)
    cost_per_label: float | None = Field(default=None, gt=0)
    rounds: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _cost_needs_a_price(self) -> Self:
        if self.cost is not None and self.cost_per_label is None:
            raise ValueError("a budget of cost needs cost_per_label")
        return self


class TlsConfig(Section):
    """Files for mutual TLS with the Dask scheduler."""

    ca: str
    cert: str
    key: str


class ClusterConfig(Section):
    """Where the pool is scored: nothing for this machine, an address, or a Dask cluster class."""

    address: str | None = None
    tls: TlsConfig | None = None
    name: str | None = None  #: dotted path of a cluster class
    params: dict[str, Any] = Field(default_factory=dict)
    workers: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _address_or_class(self) -> Self:
        if self.address and self.name:
            raise ValueError("give either address or name (a Dask cluster class), not both")
        return self


class Campaign(Section):
    """One labeling effort. `${NAME}` in a text refers to the environment and stays unresolved here."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    seed: int = Field(default=0, ge=0)
    pool: PoolConfig
    classes: tuple[str, ...] = Field(min_length=2)
    learner: Annotated[LearnerConfig, BeforeValidator(_component)]
    committee: Annotated[CommitteeConfig | None, BeforeValidator(_committee)] = None
    strategy: Named = Component(name="margin")
    cold_start: Named = Component(name="representative")
    batch_size: int = Field(ge=1)
    max_outstanding: int | None = Field(default=None, ge=1)
    labeler: Named
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
    params = dict(campaign.labeler.params)
    if campaign.labeler.name == "simulated" and isinstance(params.get("labels"), str):
        params["labels"] = anchored(params["labels"])
    return campaign.model_copy(
        update={
            "pool": campaign.pool.model_copy(update={"url": anchored(campaign.pool.url)}),
            "store": anchored(campaign.store),
            "control": anchored(campaign.control) if campaign.control else None,
            "evaluation": evaluation,
            "labeler": campaign.labeler.model_copy(update={"params": params}),
        }
    )


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
        "evaluation": EvaluationConfig,
        "budget": BudgetConfig,
        "cluster": ClusterConfig,
        "tls": TlsConfig,
    }
    last = [
        part for part in location if isinstance(part, str) and part in {*sections, *Campaign.model_fields}
    ]
    section = Campaign if not last else sections.get(last[-1], Component)
    return list(section.model_fields)
