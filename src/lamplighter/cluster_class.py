"""Which Dask cluster classes a campaign file may name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lamplighter.errors import ConfigError, UntrustedType, unknown
from lamplighter.learner.trust import VARIABLE, operator_modules

#: Packages whose cluster classes a campaign file may name.
TRUSTED = (
    *("dask", "distributed", "dask_kubernetes", "dask_gateway", "dask_jobqueue", "dask_cloudprovider"),
    "coiled",
)


def cluster_class(path: str) -> Any:
    """Import the cluster class that a campaign file names.

    Raises
    ------
    UntrustedType
        Its package is not on the allow-list, which the operator can extend and the file cannot.
    ConfigError
        There is no such module or class.
    """
    module_name, _, name = path.rpartition(".")
    allowed = (*TRUSTED, *operator_modules())
    if not any(path.startswith(f"{package}.") for package in allowed):
        raise UntrustedType(
            f"cluster '{path}' is not on the allow-list ({', '.join(allowed)}); whoever runs Lamplighter can "
            f"trust a package with the environment variable {VARIABLE}; a campaign file cannot"
        )
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"cluster '{path}': module '{module_name}' cannot be imported: {error}") from error
    if not isinstance(getattr(module, name, None), type):
        known = [n for n, value in vars(module).items() if isinstance(value, type) and n.endswith("Cluster")]
        raise ConfigError(f"cluster '{path}': {unknown('class', name, known)}")
    return getattr(module, name)
