"""Does a real browser show the pages as meant? Headless Chromium under the real policy; only with ./run test --all."""

from __future__ import annotations

import asyncio
import copy
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from dashboard.api import api_routes
from dashboard.app import compose
from dashboard.pages import page_routes
from dashboard.server import address, listen, run_server

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--dump-dom",
)
PAYLOAD = '"><script>document.title="taken"</script><img src=x onerror=\'document.title="taken"\'>'


def _browse(url: str, profile: Path) -> tuple[str, str]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    done = subprocess.run(
        [chromium, *FLAGS, f"--user-data-dir={profile}", url],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "HOME": str(profile)},
    )
    return done.stdout, done.stderr


async def _visit(figures: dict[str, Any], path: str, profile: Path) -> tuple[str, str]:
    routes = [*page_routes(lambda: 9, lambda: figures), *api_routes(lambda: 9, lambda: figures)]
    with listen("127.0.0.1", 0) as listener:
        async with asyncio.timeout(150), asyncio.TaskGroup() as group:
            server = group.create_task(run_server(compose(routes), listener))
            seen = await asyncio.to_thread(_browse, address(listener, tls=False) + path, profile)
            server.cancel()
    return seen


@pytest.mark.long
@pytest.mark.wall
@pytest.mark.parametrize("path", ["/", "/?lang=en", "/rules", "/nothing"])
def test_the_policy_blocks_nothing_that_the_page_needs(
    figures: dict[str, Any], path: str, tmp_path: Path
) -> None:
    dom, console = asyncio.run(_visit(figures, path, tmp_path))
    assert "</main>" in dom
    assert not re.search(r"Refused to|Content Security Policy|violates", console), console


@pytest.mark.long
@pytest.mark.wall
def test_hostile_names_run_nothing(figures: dict[str, Any], tmp_path: Path) -> None:
    hostile = copy.deepcopy(figures)
    hostile["policy"] = PAYLOAD
    for figure in hostile["figures"].values():
        figure["zh"] = figure["unit_zh"] = PAYLOAD
        figure["by_division"] = [{**row, "zh": PAYLOAD} for row in figure["by_division"]]
    dom, _ = asyncio.run(_visit(hostile, "/", tmp_path))
    assert "<title>taken" not in dom
    assert "<script" not in dom
    assert "<img" not in dom
