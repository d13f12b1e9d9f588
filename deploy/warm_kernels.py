"""Compiles every kernel by predicting a few records; run at image build, with
NUMBA_CACHE_DIR naming the folder that keeps them. Fails where a kernel was left out.
"""  # noqa: INP001 - a script

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

from numba.core.dispatcher import Dispatcher

from streamproc import avro, inference
from streamproc.pipeline.warm import warm_kernels


def _kernels() -> Iterator[Dispatcher]:
    """Every kernel of the packages that have any."""
    for package in (avro, inference):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            module = importlib.import_module(found.name)
            yield from (kernel for kernel in vars(module).values() if isinstance(kernel, Dispatcher))


def _is_missing(kernel: Dispatcher) -> bool:
    """Whether it is one that numba keeps, and numba's folder holds no signature of it."""
    folder = kernel.stats.cache_path
    name = f"{kernel.py_func.__module__.rpartition('.')[2]}.{kernel.py_func.__name__}"
    return folder is not None and not any(Path(folder).glob(f"{name}-*.nbi"))


def main() -> None:
    """Exits with a message, and status 1, where something was not compiled."""
    if not warm_kernels():
        sys.exit("the example records were not predicted")
    if cold := sorted({kernel.py_func.__name__ for kernel in _kernels() if _is_missing(kernel)}):
        sys.exit(
            f"kernels that nothing calls: {', '.join(cold)}; call them in streamproc.pipeline.warm, so that no container "
            "compiles them at its start"
        )


if __name__ == "__main__":
    main()
