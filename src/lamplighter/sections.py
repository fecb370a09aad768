"""The sections of a campaign file."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Metric = Literal["accuracy", "macro_f1", "balanced_accuracy", "average_precision", "log_loss"]


class Section(BaseModel):
    """Base of all parts: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Component(Section):
    """Something registered, by name, with its parameters."""

    name: str
    params: dict[str, Any] = Field(default_factory=dict)


def read_component(value: Any) -> Any:
    """Read a name alone as a component without parameters."""
    return {"name": value} if isinstance(value, str) else value


Named = Annotated[Component, BeforeValidator(read_component)]


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
    """A scikit-learn classifier by dotted path, and what is put around it.

    Where classes are uneven, most learners weigh them: `params: {class_weight: balanced}`. Committees of
    the same learner inherit that.
    """

    scale: bool = True
    calibrate: bool = True
    warm_start: bool = False


class CommitteeConfig(Section):
    """Several models for the strategies that ask where they disagree.

    Either `members` models of the campaign's learner, each fitted on its own bootstrap sample of the labels,
    or one model for each of the `learners`, fitted on all labels.
    """

    members: int | None = Field(default=None, ge=2)
    learners: tuple[Annotated[LearnerConfig, BeforeValidator(read_component)], ...] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.members is None) == (self.learners is None):
            raise ValueError("give either members (a number, 2 or more) or learners (a list of learners)")
        if self.learners is not None and len(self.learners) < 2:
            raise ValueError(f"{len(self.learners)} learners make no committee; give at least 2")
        return self


def read_committee(value: Any) -> Any:
    """Read a committee given as a number or a list."""
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


class ShareConfig(Section):
    """A share of every batch, and the strategy that picks it."""

    strategy: Named
    share: float = Field(gt=0, lt=1)


class BalanceConfig(Section):
    """The least share of every batch that is predicted as one of the rare classes."""

    rare: tuple[str, ...] = Field(min_length=1)
    share: float = Field(gt=0, lt=1)


class NearDuplicatesConfig(Section):
    """Whether rows too much like a picked or labelled one are skipped, and from which distance on."""

    enabled: bool | None = None  #: None: where the features are one embedding column
    distance: float | None = Field(default=None, ge=0)  #: None: what suits the features


def read_near_duplicates(value: Any) -> Any:
    """Read near_duplicates: true, false, or a distance, which switches it on."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"{value} is no setting; give true, false, or {{distance: {value}}}")
    if value is None or isinstance(value, bool):
        return {"enabled": value}
    return {"enabled": True, **value} if isinstance(value, dict) else value
