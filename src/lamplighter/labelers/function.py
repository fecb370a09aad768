"""A labeler that calls a function of the user's own: rules, a model, a library.

The function gets rows and the campaign's classes, and gives an answer for each row, in their order::

    def label(rows: list[dict], classes: tuple[str, ...]) -> list:
        return ["spam" if "viagra" in row["display"]["text"] else None for row in rows]

A row is ``{"id": ..., "display": {column: value}}``, with ``show_prediction: true`` also "predicted" (a
class) and "proba" (in the order of the classes). An answer is a class, None to abstain, or
``{"label": class or None, "confidence": 0.9}``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from math import isfinite
from time import monotonic
from typing import Any, ClassVar

from lamplighter.errors import ConfigError, UntrustedType, unknown
from lamplighter.labelers.asking import Automated
from lamplighter.labelers.parameters import switch, text, whole
from lamplighter.labelers.questions import Ask, Question, Reply, Unanswered, Work
from lamplighter.labelers.shelf import Answer
from lamplighter.learner.trust import DEFAULT_MODULES, VARIABLE, is_trusted_module, operator_modules


@dataclass(frozen=True)
class Function(Automated):
    """Asks a function, which runs in the driver's process.

    Attributes
    ----------
    path
        "package.module:function" or "package.module.function". Importing a module runs it, so it must
        be on the operator's allow-list (LAMPLIGHTER_TRUSTED_MODULES).
    batch_rows
        Rows in one call, at most. Their answers are kept before the next call.
    show_prediction
        Whether rows carry the model's guess.
    """

    name: ClassVar[str] = "function"

    path: str
    batch_rows: int = 100
    show_prediction: bool = False

    def __post_init__(self) -> None:
        text("path", self.path)
        whole("batch_rows", self.batch_rows, 1)
        switch("show_prediction", self.show_prediction)
        load_function(self.path)

    @property
    def answers_as(self) -> str:
        """The function's path."""
        return self.path

    @contextmanager
    def asking(self, work: Work) -> Iterator[Ask]:
        """Give what calls the function."""
        function = load_function(self.path)
        yield lambda question: self._call(function, question)

    def _call(self, function: Callable[..., Any], question: Question) -> Reply:
        started = monotonic()
        rows = [dict(row) for row in question.rows]
        try:
            found = function(rows, question.classes)
            given = None if isinstance(found, str | bytes | Mapping) else list(found)
        except Exception as error:
            raise Unanswered(f"{self.path} raised {type(error).__name__}: {error}", outage=True) from error
        if given is None or len(given) != len(rows):
            count = type(found).__name__ if given is None else f"{len(given)} answers"
            raise Unanswered(
                f"{self.path} gave {count} for {len(rows)} rows; it must give a list with one answer for each"
            )
        answers = (
            answer_of(row["id"], said, question.classes)
            for row, said in zip(question.rows, given, strict=True)
        )
        return Reply(tuple(answers), seconds=monotonic() - started)


def load_function(path: str) -> Callable[..., Any]:
    """Import the function that a campaign file names.

    Raises
    ------
    UntrustedType
        Its module, or the module where it is really defined, is not on the allow-list.
    ConfigError
        There is no such module or function.
    """
    module_name, colon, name = path.partition(":")
    if not colon:
        module_name, _, name = path.rpartition(".")
    if not module_name or not name:
        raise ConfigError(f"path is '{path}'; allowed: package.module:function")
    _require_trusted(path, module_name)
    try:
        found = getattr(module := import_module(module_name), name, None)
    except ImportError as error:
        raise ConfigError(f"path '{path}': module '{module_name}' cannot be imported: {error}") from error
    if not callable(found):
        known = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise ConfigError(f"path '{path}': {unknown('function', name, known)}")
    # A module may only pass on what another one defines, such as os.system.
    home = getattr(found, "__module__", None)
    _require_trusted(path, home if isinstance(home, str) else module_name)
    return found  # type: ignore[no-any-return]  # any callable


def _require_trusted(path: str, module: str) -> None:
    if is_trusted_module(module):
        return
    allowed = ", ".join((*DEFAULT_MODULES, *operator_modules()))
    raise UntrustedType(
        f"path '{path}': module '{module}' is not on the allow-list ({allowed}); whoever runs Lamplighter "
        f"can trust it with the environment variable {VARIABLE}={module.partition('.')[0]}; a campaign "
        "file cannot"
    )


def answer_of(row_id: int | str, said: object, classes: tuple[str, ...]) -> Answer:
    """Read one answer; raises Unanswered if it has no form that is allowed."""
    label, confidence = (
        (said.get("label"), said.get("confidence")) if isinstance(said, Mapping) else (said, None)
    )
    if confidence is not None and not _is_share(confidence):
        raise Unanswered(f"row {row_id!r}: confidence is {confidence!r}; allowed: a number from 0 to 1")
    if label is None:
        return Answer(row_id, None)
    if not isinstance(label, str):
        raise Unanswered(
            f"row {row_id!r}: the answer is a {type(label).__name__}; allowed: a class as a string, None, or "
            "a dictionary with label and confidence"
        )
    if label not in classes:
        return Answer(row_id, None, said=str(label))
    return Answer(row_id, str(label), None if confidence is None else float(confidence))


def _is_share(value: Any) -> bool:
    try:
        share = float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool | str) and isfinite(share) and 0 <= share <= 1
