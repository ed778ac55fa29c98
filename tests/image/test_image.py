"""Do both container images build and run? Built for real, without an engine; only under ./run test --all."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@pytest.mark.long
@pytest.mark.wall
def test_both_images_build_and_run() -> None:
    if os.geteuid() != 0:
        pytest.skip("building an image needs root here")
    for tool in ("buildah", "debootstrap"):
        if shutil.which(tool, path=SBIN) is None:
            pytest.skip(f"{tool} is not installed")
    done = subprocess.run(
        [ROOT / "deploy" / "image.sh"], cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "image: all well" in done.stdout


def test_the_build_takes_every_package_of_the_wheel_and_nothing_secret() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    packages = (
        "mfl",
        "telemetry",
        "drivers",
        "gateway",
        "store",
        "census",
        "dashboard",
        "simulators",
        "config",
    )
    for package in packages:
        assert f"COPY {package} {package}\n" in dockerfile
        assert f"!{package}" in ignore
    assert ignore[1] == "*", "what is not named stays out"


def test_the_images_run_without_root_and_are_watched() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    for target in ("edge", "store"):
        stage = dockerfile.partition(f"AS {target}\n")[2].partition("\nFROM ")[0]
        assert "USER 10001:10001" in stage
        assert "HEALTHCHECK" in stage
        assert "curl" not in stage
