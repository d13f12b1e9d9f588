"""The Dockerfile without a Docker engine: its lint, and that it agrees with the rest of the installation."""

from __future__ import annotations

import re
import shlex
import subprocess
import sysconfig
from pathlib import Path

import pytest
from support.manifests import DEPLOY, ROOT

DOCKERFILE = DEPLOY / "Dockerfile"
TEXT = DOCKERFILE.read_text()
RUNTIME = TEXT[TEXT.rindex("\nFROM ") :]


def _copied() -> list[str]:
    """What the Dockerfile takes from the checkout."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", TEXT, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def _ignored(path: str) -> bool:
    """Whether .dockerignore, whose later lines win, keeps `path` out of the build."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith(("#", "**")):
            pattern = line.removeprefix("!").rstrip("/")
            if pattern in {"*", path} or path.startswith(pattern + "/"):
                ignored = not line.startswith("!")
    return ignored


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    answer = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize("path", _copied())
def test_what_the_image_copies_is_there_and_sent_to_the_builder(path: str) -> None:
    assert (ROOT / path).exists()
    assert not _ignored(path)


def test_nothing_but_what_the_image_needs_is_sent_to_the_builder() -> None:
    assert all(_ignored(path) for path in (".git/config", ".venv/pyvenv.cfg", ".env", "tests/unit/x.py", "streamproc.db"))


def test_the_image_installs_the_versions_of_the_lock_from_wheels_only() -> None:
    (install,) = [line for line in TEXT.replace("\\\n", " ").splitlines() if "--requirements pyproject.toml" in line]
    assert {"--constraint", "requirements.lock", "--only-binary", ":all:"} <= set(shlex.split(install))


def test_the_process_is_not_root_and_gets_the_signals_itself() -> None:
    assert re.search(r"^USER 65532:65532$", RUNTIME, re.MULTILINE)
    assert re.search(r"^STOPSIGNAL SIGTERM$", RUNTIME, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["streamproc"\]$', RUNTIME, re.MULTILINE)
    assert re.search(r'^CMD \["run"\]$', RUNTIME, re.MULTILINE)


def test_the_image_listens_where_its_own_check_and_prometheus_ask() -> None:
    assert "STREAMPROC_HTTP__HOST=0.0.0.0" in RUNTIME
    assert "STREAMPROC_HTTP__PORT=9108" in RUNTIME
    assert re.search(r"^EXPOSE 9108$", RUNTIME, re.MULTILINE)
    assert "/livez" in RUNTIME[RUNTIME.index("HEALTHCHECK") :]


def test_kernels_are_compiled_for_the_processor_that_the_running_image_asks_for() -> None:
    build = TEXT[: TEXT.rindex("\nFROM ")]
    for stage in (build, RUNTIME):
        assert "ARG NUMBA_CPU_NAME=generic" in stage
        assert re.search(r"^ENV NUMBA_CPU_NAME=\$\{NUMBA_CPU_NAME\}", stage, re.MULTILINE)
    assert "NUMBA_CACHE_DIR=/opt/streamproc/kernels" in build
    assert "PREBUILT_KERNELS_DIR=/opt/streamproc/kernels" in RUNTIME


def test_each_library_gets_one_thread() -> None:
    for variable in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        assert f"{variable}_NUM_THREADS=1" in RUNTIME


def test_the_build_fails_where_the_unprivileged_user_would_still_compile_a_kernel() -> None:
    check = RUNTIME.index("RUN NUMBA_CACHE_DIR=/dev/null/nowhere python -m warm_kernels")
    assert RUNTIME.index("PREBUILT_KERNELS_DIR=") < RUNTIME.index("USER 65532") < check
