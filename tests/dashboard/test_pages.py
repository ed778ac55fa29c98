from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from starlette.exceptions import HTTPException
from starlette.routing import Route

from census.rules import RULES, wording
from dashboard.headers import HEADERS
from dashboard.rule_names import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from starlette.requests import Request
    from starlette.responses import Response

    Site = Callable[..., Callable[..., httpx.Response]]

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}",
    "</title><svg onload=alert(1)>",
    "javascript:alert(1)",
)


class _Outline(HTMLParser):
    """Collects what a page is made of: its elements with attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def _outline(html: str) -> _Outline:
    outline = _Outline()
    outline.feed(html)
    outline.close()
    return outline


def test_the_overview_shows_both_targets_with_their_schedule(site: Site, figures: dict[str, Any]) -> None:
    page = site(figures)("/")
    assert page.status_code == 200
    for wanted in (
        "新增机器人",
        "731",
        "1,200 台",
        "60.9%",
        "66.6%",
        "欠序时 5.7 个百分点",
        "10,655",
        "15,000 家",
        "超序时 4.4 个百分点",
        "瑞安市",
        "其中待人工复核 4",
        "9c" * 32,
        "jaka_zu@ba9876543210",
        "391,204",
        "2018-09-01 00:00 (UTC+08:00)",
        "2018-08 认定",
        "+12.3% <small>2018-07 · 1,000</small>",
        "未给出上年同期结果",
        "签发名单",
        "标杆企业",
        "名单没有签发单位的有效签名",
    ):
        assert wanted in page.text, wanted


@pytest.mark.parametrize(
    ("query", "header", "lang"),
    [
        ("", "", "zh-CN"),
        ("", "fr,de", "zh-CN"),
        ("", "en-GB,en;q=0.9,zh;q=0.4", "en"),
        ("", "en;q=0.2,zh-TW;q=0.8", "zh-CN"),
        ("", "en;q=nonsense", "zh-CN"),
        ("?lang=en", "zh", "en"),
        ("?lang=zh", "en", "zh-CN"),
        ("?lang=<script>", "en", "en"),
    ],
)
def test_the_language_is_asked_for_or_the_browsers_or_chinese(
    site: Site, figures: dict[str, Any], query: str, header: str, lang: str
) -> None:
    page = site(figures)(f"/{query}", headers={"Accept-Language": header})
    assert page.headers["content-language"] == lang
    assert f'<html lang="{lang}">' in page.text
    assert page.headers["vary"] == "Accept-Language"


def test_the_english_page_has_no_chinese_left_but_the_language_link(
    site: Site, figures: dict[str, Any]
) -> None:
    text = _outline(site(figures)("/?lang=en").text).text
    assert re.findall(r"[\u3000-\u9fff\uff00-\uffef]+", text) == ["中文"]


def test_a_page_is_accessible_and_needs_nothing_from_elsewhere(site: Site, figures: dict[str, Any]) -> None:
    outline = _outline(site(figures)("/").text)
    tags = [tag for tag, _ in outline.elements]
    assert tags.count("h1") == 1
    assert tags.count("caption") == tags.count("table") == 3
    assert "script" not in tags
    assert "form" not in tags
    for tag, attributes in outline.elements:
        assert "style" not in attributes, "the policy forbids inline styles"
        assert not any(name.startswith("on") for name in attributes)
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]
        if tag == "th":
            assert attributes["scope"] in {"col", "row", "colgroup"}
        for name in ("href", "src"):
            assert (attributes.get(name) or "/").startswith(("/", "#", "?")), attributes
    ids = [attributes["id"] for _, attributes in outline.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))


def _luminance(colour: str) -> float:
    """Give a colour's relative luminance (WCAG 2.2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_stands_out_from_its_ground() -> None:
    style = (resources.files("dashboard") / "static" / "style.css").read_text()
    named = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", style))
    zero = re.search(r"\.zero { color: (#[0-9a-f]{6});", style)
    assert zero is not None
    for colour in (
        named["ink"],
        named["quiet"],
        named["deep"],
        named["confirmed"],
        named["refuted"],
        zero[1],
    ):
        for ground in (named["paper"], "#f8f9fb"):
            assert _contrast(colour, ground) >= 4.5, (colour, ground)
    assert _contrast(named["quiet"], named["ground"]) >= 4.5
    assert _contrast("#ffffff", named["deep"]) >= 7


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_of_the_figures_becomes_markup(site: Site, figures: dict[str, Any], payload: str) -> None:
    plain = _outline(site(figures)("/").text)
    hostile = copy.deepcopy(figures)
    hostile["policy"] = hostile["code_version"] = hostile["root_hash"] = payload
    hostile["profile_digests"] = [payload, payload]
    for figure in hostile["figures"].values():
        figure["zh"] = figure["unit_zh"] = payload
        figure["by_division"] = [{**row, "code": row["code"], "zh": payload} for row in figure["by_division"]]
        # The rules keep their number, so that the two pages have the same elements.
        for key in ("refuted_by_rule", "unproven_by_rule"):
            figure[key] = {f"{payload}{rule}": count for rule, count in figure[key].items()}
    page = site(hostile)("/")
    assert page.status_code == 200
    outline = _outline(page.text)
    assert [tag for tag, _ in outline.elements] == [tag for tag, _ in plain.elements]
    assert payload in outline.text


def test_every_rule_is_named_in_both_languages_and_published_in_full(site: Site) -> None:
    assert set(NAMES) == set(RULES)
    for lang in ("zh", "en"):
        page = site(None)(f"/rules?lang={lang}")
        outline = _outline(page.text)
        for rule in RULES:
            assert f'id="{rule}"' in page.text
            assert wording(rule)[0 if lang == "zh" else 1] in outline.text


def test_before_the_first_census_the_page_says_so(site: Site) -> None:
    get = site(None)
    assert "尚未进行普查" in get("/").text
    english = get("/?lang=en").text
    assert "No census has run yet" in english
    assert "1,234 leaves" in english


def test_static_files_are_two_and_cached_by_their_digest(site: Site, figures: dict[str, Any]) -> None:
    get = site(figures)
    addresses = re.findall(r'href="(/static/[^"]+)"', get("/").text)
    assert len(addresses) == 2
    for where in addresses:
        answer = get(where)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    for wrong in ("/static/..%2fpages.py", "/static/pages.py", "/static/", "/static/%2e%2e/app.py"):
        assert get(wrong).status_code == 404, wrong


def test_unknown_pages_are_plain_and_translated(site: Site) -> None:
    get = site(None)
    page = get("/nothing?lang=en")
    assert page.status_code == 404
    assert "There is no such page" in page.text
    assert get("/", method="POST").status_code == 405
    api = get("/api/v1/nothing")
    assert (api.status_code, api.json()["code"]) == (404, "not found")


def _broken(_request: Request) -> Response:
    raise RuntimeError("the secret cause")


def _refusing(_request: Request) -> Response:
    raise HTTPException(429, "the detail", headers={"Retry-After": "7"})


def test_a_bug_answers_500_and_keeps_its_cause_to_the_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    get = site(None, [Route("/broken", _broken), Route("/api/broken", _broken)])
    for path in ("/broken", "/api/broken"):
        answer = get(path)
        assert answer.status_code == 500
        assert "secret" not in answer.text
    assert "the secret cause" in caplog.text


def test_headers_of_a_refusal_are_kept(site: Site) -> None:
    get = site(None, [Route("/refusing", _refusing), Route("/api/refusing", _refusing)])
    assert get("/refusing").headers["retry-after"] == "7"
    assert get("/api/refusing").headers["retry-after"] == "7"


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/api/v1/figures", "/nothing", "/broken"])
def test_every_answer_carries_the_security_headers_and_no_version(site: Site, path: str) -> None:
    answer = site(None, [Route("/broken", _broken)])(path)
    for name, value in HEADERS:
        assert answer.headers[name] == value, name
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert "server" not in answer.headers
    assert not re.search(r"starlette|uvicorn|python", answer.text, re.IGNORECASE)
