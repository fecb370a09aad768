"""From the campaign's words to a scikit-learn estimator, with every wrong word named."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from sklearn.base import ClassifierMixin

from lamplighter.arrays import F64, I64
from lamplighter.errors import ConfigError, UnknownClass, UnknownName, unknown
from lamplighter.learner import trust

if TYPE_CHECKING:
    from lamplighter.config import LearnerConfig


class Classifier(Protocol):
    """What Lamplighter needs of a scikit-learn classifier."""

    classes_: I64

    def fit(self, x: F64, y: I64, **options: F64) -> Self:
        """Fit (n, D) rows with (n,) labels."""
        ...

    def predict_proba(self, x: F64) -> F64:
        """Give (n, C) probabilities."""
        ...

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Give the parameters by name."""
        ...

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name."""
        ...


def build(
    config: LearnerConfig, classes: Sequence[str], seen: Sequence[int], random_state: int
) -> Classifier:
    """Make the unfitted estimator of a campaign.

    Parameters
    ----------
    config
        The campaign's learner.
    classes
        C class names; a mapping in `class_weight` is by name.
    seen
        Positions in `classes` that occur among the labels.
    random_state
        Used where the estimator takes one and the campaign gives none.

    Raises
    ------
    UntrustedType, ConfigError, UnknownName
        The class is not allowed, no classifier that gives probabilities, or a parameter is wrong.
    """
    cls = trust.load_class(config.name)
    if not _is_classifier(cls):
        raise ConfigError(
            f"learner '{config.name}' is no scikit-learn classifier; it needs fit and predict_proba"
        )
    known = _parameters(cls)
    params = dict(config.params)
    _check_names(config.name, params, known)
    if "random_state" in (known or ()):
        params.setdefault("random_state", random_state)
    if isinstance(params.get("class_weight"), Mapping):
        params["class_weight"] = _weights_by_position(config.name, params["class_weight"], classes, seen)
    return _construct(config.name, cls, params)


def check_learner(config: LearnerConfig, classes: Sequence[str] = ()) -> None:
    """Find what is wrong with a learner without any data; raises as `build`.

    With `classes`, names in `class_weight` are checked too.
    """
    weights = config.params.get("class_weight")
    names = classes or (tuple(map(str, weights)) if isinstance(weights, Mapping) else ())
    build(config, names, range(len(names)), 0)


def describe(config: LearnerConfig) -> str:
    """Say in one line what is trained: 'LogisticRegression (C=10, scaled, calibrated)'."""
    details = [f"{key}={value}" for key, value in sorted(config.params.items())]
    switches = {"scaled": config.scale, "calibrated": config.calibrate, "warm start": config.warm_start}
    details += [word for word, on in switches.items() if on]
    name = config.name.rpartition(".")[2]
    return f"{name} ({', '.join(details)})" if details else name


def takes_weights(estimator: Classifier | type) -> bool:
    """Say whether `fit` takes `sample_weight`."""
    fit: Any = getattr(estimator, "fit", None)
    return "sample_weight" in inspect.signature(fit).parameters


def can_weigh(config: LearnerConfig) -> bool:
    """Say whether a learner takes sample weights, without any data; raises UntrustedType, ConfigError."""
    return takes_weights(trust.load_class(config.name))


def _is_classifier(cls: type) -> bool:
    return issubclass(cls, ClassifierMixin) and hasattr(cls, "fit") and hasattr(cls, "get_params")


def _parameters(cls: type) -> list[str] | None:
    """Names of the constructor's parameters; None where it takes any."""
    parameters = list(inspect.signature(cls).parameters.values())
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters if p.kind is not p.VAR_POSITIONAL]


def _check_names(learner: str, params: Mapping[str, Any], known: list[str] | None) -> None:
    for name in params:
        if known is not None and name not in known:
            raise UnknownName(f"learner '{learner}': {unknown('parameter', name, known)}")


def _weights_by_position(
    learner: str, by_name: Mapping[Any, Any], classes: Sequence[str], seen: Sequence[int]
) -> dict[int, float]:
    """Turn {class name: weight} into {position: weight} of the classes seen, as scikit-learn wants it."""
    weights = {str(name): float(weight) for name, weight in by_name.items()}
    for name in weights:
        if name not in classes:
            raise UnknownClass(f"learner '{learner}': class_weight: {unknown('class', name, classes)}")
    return {position: weights.get(classes[position], 1.0) for position in seen}


def _construct(learner: str, cls: type, params: Mapping[str, Any]) -> Classifier:
    try:
        estimator: Classifier = cls(**params)
        validate = getattr(estimator, "_validate_params", None)
        if validate is not None:
            validate()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"learner '{learner}': {error}") from error
    if not hasattr(estimator, "predict_proba"):
        raise ConfigError(
            f"learner '{learner}' with {dict(params)} gives no probabilities; choose parameters with which"
            " it has predict_proba (for SGDClassifier: loss: log_loss), or another classifier"
        )
    return estimator
