"""What do the page tests share? A census's figures worked out by hand, and a client without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from dashboard.api import api_routes
from dashboard.app import compose
from dashboard.pages import page_routes

if TYPE_CHECKING:
    from starlette.routing import Route

Get = Callable[..., httpx.Response]
Site = Callable[..., Get]


@pytest.fixture
def site() -> Site:
    """Give a maker of sites: figures and further routes in, a function that requests one path out."""

    def make(figures: Mapping[str, Any] | None, extra: Sequence[Route] = ()) -> Get:
        routes = [*page_routes(lambda: 1234, lambda: figures), *api_routes(lambda: 1234, lambda: figures)]
        app = compose([*routes, *extra])

        async def ask(method: str, path: str, headers: Mapping[str, str]) -> httpx.Response:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://store", timeout=20) as client:
                return await client.request(method, path, headers=headers)

        def get(path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> httpx.Response:
            return asyncio.run(ask(method, path, headers or {}))

        return get

    return make


def _figure(zh: str, en: str, units: tuple[str, str], **values: Any) -> dict[str, Any]:
    return {"zh": zh, "en": en, "unit_zh": units[0], "unit_en": units[1], **values}


def _change(
    percent: str | None, base: int | None, month: str, reason: tuple[str, str] = ("", "")
) -> dict[str, Any]:
    return {
        "base_month": month,
        "base": base,
        "percent": percent,
        "reason_zh": reason[0],
        "reason_en": reason[1],
    }


NO_YEAR = ("未给出上年同期结果", "no result of the year before was given")
NOT_SIGNED = ("名单没有签发单位的有效签名", "no valid signature of the issuer")


def _list(name: str, zh: str, en: str, listed: int | None) -> dict[str, Any]:
    reason = NOT_SIGNED if listed is None else ("", "")
    return {
        "list": name,
        "zh": zh,
        "en": en,
        "unit_zh": "家",
        "target": 30,
        "listed": listed,
        "reason_zh": reason[0],
        "reason_en": reason[1],
    }


def _division(code: str, zh: str, en: str, counts: tuple[int, int, int]) -> dict[str, Any]:
    confirmed, refuted, unproven = counts
    return {
        "code": code,
        "zh": zh,
        "en": en,
        "claimed": sum(counts),
        "confirmed": confirmed,
        "refuted": refuted,
        "unproven": unproven,
    }


def _robots() -> dict[str, Any]:
    """Give a figure behind schedule."""
    return _figure(
        "新增机器人",
        "Newly deployed robots",
        ("台", "units"),
        claimed=1286,
        confirmed=731,
        refuted=118,
        unproven=437,
        target=1200,
        completion_percent="60.9",
        time_progress_percent="66.6",
        ahead_percent_points="-5.7",
        by_division=[
            _division("330302", "鹿城区", "Lucheng", (120, 12, 60)),
            _division("330303", "龙湾区", "Longwan", (201, 40, 97)),
            _division("330305", "洞头区", "Dongtou", (0, 0, 3)),
            _division("330381", "瑞安市", "Rui'an", (240, 41, 150)),
            _division("330382", "乐清市", "Yueqing", (170, 25, 127)),
        ],
        refuted_by_rule={"not_a_copy": 61, "new_by_evidence": 57},
        unproven_by_rule={"works": 402, "gateway_enrolled": 35},
        growth={
            "month": "2018-08",
            "confirmed": 1123,
            "on_month": _change("+12.3", 1000, "2018-07"),
            "on_year": _change(None, None, "2017-08", NO_YEAR),
        },
        review=4,
    )


def _enterprises() -> dict[str, Any]:
    """Give a figure ahead of it."""
    return _figure(
        "新增上云企业",
        "Enterprises newly on cloud",
        ("家", "enterprises"),
        claimed=12480,
        confirmed=10655,
        refuted=611,
        unproven=1214,
        target=15000,
        completion_percent="71.0",
        time_progress_percent="66.6",
        ahead_percent_points="4.4",
        by_division=[
            _division("330302", "鹿城区", "Lucheng", (3655, 200, 414)),
            _division("330303", "龙湾区", "Longwan", (3000, 211, 400)),
            _division("330304", "瓯海区", "Ouhai", (4000, 200, 400)),
        ],
        refuted_by_rule={"registered_entity": 512, "live_use": 99},
        unproven_by_rule={"live_use": 1214},
        growth={
            "month": "2018-08",
            "confirmed": None,
            "on_month": _change("-4.0", 2500, "2018-07"),
            "on_year": _change("+0.5", 2390, "2017-08"),
        },
        review=0,
    )


@pytest.fixture
def figures() -> dict[str, Any]:
    """Give a census at the end of August 2018: robots behind schedule, enterprises ahead of it."""
    return {
        "policy": "wenzhou-2018",
        "policy_digest": "3f" * 32,
        "ledger_digest": "a1" * 32,
        "profile_digests": ["universal_robots_e_series@0123456789ab", "jaka_zu@ba9876543210"],
        "as_of": "2018-09-01T00:00:00+08:00",
        "log_size": 391_204,
        "root_hash": "9c" * 32,
        "code_version": "0.1.0",
        "named_lists": [
            _list("demonstration", "示范企业", "Demonstration enterprises", 28),
            _list("benchmark", "标杆企业", "Benchmark enterprises", None),
        ],
        "figures": {"robots_new": _robots(), "enterprises_on_cloud": _enterprises()},
        "problems": ["robots.csv:17: axes: not a number"],
        "verdicts": {"robots": {}, "enterprises": {"91330300MA2EXAMPLE": {"verdict": "confirmed"}}},
    }
