"""Which code a campaign file, or a stored model, may bring in.

A campaign file names a class by dotted path, and importing a module runs it. So only modules on an
allow-list are imported, and the file cannot extend that list: the operator can, by an environment
variable.
"""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType

from lamplighter.errors import ConfigError, UntrustedType, unknown

#: Modules from which a learner may come without further ado.
DEFAULT_MODULES = ("sklearn",)

#: Environment variable of the operator: more modules, separated by commas.
VARIABLE = "LAMPLIGHTER_TRUSTED_MODULES"

# What scikit-learn's classifiers hold beside the types that skops trusts of its own accord. A whole
# package is never trusted for stored types: a stored file may call what it names, and scikit-learn
# also has functions that fetch and unpickle files. `soundness` checks the contents of the trees.
_STORED_TYPES = frozenset(
    {
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
    }
)


def operator_modules() -> tuple[str, ...]:
    """Modules that the operator trusts beside scikit-learn's."""
    names = (name.strip().strip(".") for name in os.environ.get(VARIABLE, "").split(","))
    return tuple(name for name in names if name)


def is_trusted_module(path: str) -> bool:
    """Say whether `path` is on the allow-list, or lies inside a package that is."""
    return _inside(path, (*DEFAULT_MODULES, *operator_modules()))


def is_trusted_stored_type(path: str) -> bool:
    """Say whether a stored model may hold the type `path`, which skops alone would refuse."""
    return path in _STORED_TYPES or _inside(path, operator_modules())


def load_class(path: str) -> type:
    """Import the class that a campaign file names.

    Raises
    ------
    UntrustedType
        Its module, or the module where it is really defined, is not on the allow-list.
    ConfigError
        There is no such module or class.
    """
    module_name, _, name = path.rpartition(".")
    if not module_name:
        raise ConfigError(
            f"learner '{path}' is no dotted path; write the module too, as in"
            " sklearn.linear_model.LogisticRegression"
        )
    require_trusted(path)
    module = _import(path, module_name)
    found = getattr(module, name, None)
    if not isinstance(found, type):
        known = [n for n, value in vars(module).items() if _offers_probabilities(value)]
        raise ConfigError(f"learner '{path}': {unknown('class', name, known)}")
    require_trusted(f"{found.__module__}.{found.__qualname__}")
    return found


def require_trusted(path: str) -> None:
    """Raise UntrustedType unless `path` is on the allow-list."""
    if is_trusted_module(path):
        return
    allowed = ", ".join((*DEFAULT_MODULES, *operator_modules()))
    package = path.partition(".")[0]
    raise UntrustedType(
        f"learner '{path}' is not on the allow-list ({allowed}); whoever runs Lamplighter can trust it"
        f" with the environment variable {VARIABLE}={package}; a campaign file cannot"
    )


def _import(path: str, module_name: str) -> ModuleType:
    try:
        return import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"learner '{path}': module '{module_name}' cannot be imported: {error}") from error


def _inside(path: str, packages: tuple[str, ...]) -> bool:
    return any(path == package or path.startswith(f"{package}.") for package in packages)


def _offers_probabilities(value: object) -> bool:
    return isinstance(value, type) and hasattr(value, "predict_proba")
