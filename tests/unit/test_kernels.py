"""What holds for every compiled kernel."""

from __future__ import annotations

from support.built_with import digest, modules_of_kernels, written


def test_kernels_are_compiled_anew_when_what_they_are_built_with_has_changed() -> None:
    """Where this fails: `python tests/support/built_with.py`."""
    stale = [module.name for module in modules_of_kernels() if written(module) != digest(module)]
    assert stale == []
    assert modules_of_kernels()
