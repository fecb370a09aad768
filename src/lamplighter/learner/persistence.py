"""Models as files: skops and JSON, never pickle, and the same bytes for the same fit.

The file is a skops file (a zip of `schema.json` and `.npy` arrays) with one more entry, `model.json`.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Any, Literal

import skops.io
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sklearn.preprocessing import StandardScaler

from lamplighter.config import LearnerConfig
from lamplighter.errors import ModelError, UntrustedType
from lamplighter.learner import trust
from lamplighter.learner.canonical import canonical, write_zip
from lamplighter.learner.fitted import Fitted
from lamplighter.learner.soundness import check_trees

if TYPE_CHECKING:
    from lamplighter.learner.model import Model

_CARD = "model.json"


class ModelCard(BaseModel):
    """What is said of a model beside its arrays: the entry `model.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    learner: LearnerConfig
    classes: Annotated[tuple[str, ...], Field(min_length=2, strict=False)]
    seen: Annotated[tuple[int, ...], Field(min_length=2, strict=False)]
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
    rows: Annotated[int, Field(gt=0)]
    features: Annotated[int, Field(gt=0)]
    logit_rms: Annotated[float, Field(ge=0)]
    warm_start: bool
    note: str

    @model_validator(mode="after")
    def _seen_fits(self) -> ModelCard:
        if list(self.seen) != sorted(set(self.seen)) or not 0 <= self.seen[0] <= self.seen[-1] < len(
            self.classes
        ):
            raise ValueError(f"seen is {self.seen}; it must ascend from 0 and stay below {len(self.classes)}")
        return self


#: Fields that the card and the model have in common.
_SHARED = tuple(name for name in ModelCard.model_fields if name not in ("format", "learner"))


def dump(model: Model) -> bytes:
    """Give a model as bytes.

    Raises
    ------
    UntrustedType
        It holds a type that `load` would refuse.
    ModelError
        It holds something that skops cannot write.
    """
    try:
        raw = skops.io.dumps({"scaler": model.fitted.scaler, "estimator": model.fitted.estimator})
    except Exception as error:  # skops lets through whatever an estimator's state raises
        raise ModelError(f"learner '{model.config.name}' cannot be saved without pickle: {error}") from error
    entries = canonical(raw)
    entries[_CARD] = (_card(model).model_dump_json() + "\n").encode()
    data = write_zip(entries)
    _trusted_types(data)
    return data


def load(data: bytes) -> dict[str, Any]:
    """Give the fields of the Model that `dump` wrote.

    Raises
    ------
    UntrustedType
        The file holds a type that is not on the allow-list; nothing of it was constructed.
    ModelError
        No model of ours, truncated, or damaged.
    """
    card = _read_card(data)
    cls = trust.load_class(card.learner.name)
    trusted = _trusted_types(data)
    try:
        parts = skops.io.loads(data, trusted=trusted)
        fitted = Fitted(parts["scaler"], parts["estimator"])
        _check_parts(card, fitted, cls)
    except (ModelError, UntrustedType):
        raise
    except Exception as error:  # a damaged file may fail anywhere in skops, numpy or scikit-learn
        raise _damaged(error) from error
    fields = {name: getattr(card, name) for name in _SHARED}
    return {**fields, "config": card.learner, "fitted": fitted}


def _card(model: Model) -> ModelCard:
    fields = {name: getattr(model, name) for name in _SHARED}
    return ModelCard(learner=model.config, **fields)


def _read_card(data: bytes) -> ModelCard:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            damaged = archive.testzip()
            if damaged:
                raise ModelError(f"not a usable model file: its entry '{damaged}' is damaged")
            return ModelCard.model_validate_json(archive.read(_CARD))
    except (ModelError, UntrustedType):
        raise
    except (zipfile.BadZipFile, zlib.error, LookupError, ValueError, OSError, NotImplementedError) as error:
        raise _damaged(error) from error


def _trusted_types(data: bytes) -> list[str]:
    """Give the types beyond skops' own list, all of them on ours; raises UntrustedType."""
    try:
        types = skops.io.get_untrusted_types(data=data)
    except Exception as error:  # see `load`
        raise _damaged(error) from error
    refused = [name for name in types if not trust.is_trusted_stored_type(name)]
    if refused:
        raise UntrustedType(
            f"the model holds {', '.join(refused)}, which is not on the list of types that are safe to load;"
            f" use a learner without it, or, if its package is yours, trust that with {trust.VARIABLE}"
        )
    return list(types)


def _check_parts(card: ModelCard, fitted: Fitted, cls: type) -> None:
    if type(fitted.estimator) is not cls or not isinstance(fitted.scaler, StandardScaler | None):
        raise ModelError(
            f"the model file says {card.learner.name} and holds {type(fitted.estimator).__name__}"
            f" after {type(fitted.scaler).__name__}; it was tampered with"
        )
    if tuple(fitted.estimator.classes_.tolist()) != card.seen:
        raise ModelError(
            f"the model file says classes {card.seen} and holds {fitted.estimator.classes_.tolist()}"
        )
    width = getattr(fitted.estimator, "n_features_in_", card.features)
    if width != card.features:
        raise ModelError(f"the model file says {card.features} features and holds a model of {width}")
    check_trees(fitted.estimator, card.features)


def _damaged(error: Exception) -> ModelError:
    return ModelError(f"not a usable model file, truncated or foreign: {type(error).__name__}: {error}")


def read_card(data: bytes) -> dict[str, Any]:
    """Give what `model.json` says, without loading anything; raises ModelError."""
    card: dict[str, Any] = json.loads(_read_card(data).model_dump_json())
    return card
