from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dashboard.api import encode_figures
from dashboard.exposition import ALL, exposition

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    Site = Callable[..., Callable[..., httpx.Response]]


def test_figures_are_json_with_a_strong_etag(site: Site, figures: dict[str, Any]) -> None:
    get = site(figures)
    answer = get("/api/v1/figures")
    assert answer.status_code == 200
    body = answer.json()
    assert body["figures"] == figures["figures"]
    assert body["root_hash"] == figures["root_hash"]
    etag = answer.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{64}"', etag)
    for header in (etag, f'W/{etag}, "other"', "*"):
        again = get("/api/v1/figures", headers={"If-None-Match": header})
        assert (again.status_code, again.content) == (304, b""), header
    figures["log_size"] += 1
    assert get("/api/v1/figures", headers={"If-None-Match": etag}).status_code == 200


def test_the_public_answer_names_no_single_enterprise(site: Site, figures: dict[str, Any]) -> None:
    answer = site(figures)("/api/v1/figures")
    assert "91330300MA2EXAMPLE" not in answer.text
    assert "robots.csv" not in answer.text
    assert answer.json()["problem_count"] == 1


def test_the_same_figures_are_the_same_bytes(figures: dict[str, Any]) -> None:
    assert encode_figures(figures) == encode_figures(dict(reversed(list(figures.items()))))


def test_before_the_first_census_figures_are_unavailable(site: Site) -> None:
    answer = site(None)("/api/v1/figures")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["message"] == "no census has run yet"


def test_healthz_says_only_that_it_lives(site: Site) -> None:
    answer = site(None)("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


SAMPLE = re.compile(
    r'([a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z]+="(?:[^"\\\n]|\\[\\"n])*")*\})? (\S+)'
)


def _samples(text: str) -> dict[str, float]:
    samples = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = SAMPLE.fullmatch(line)
            assert match is not None, line
            samples[match[1] + (match[2] or "")] = float(match[3])
    return samples


def test_the_metrics_are_those_declared_each_with_help_and_type(figures: dict[str, Any]) -> None:
    text = exposition(7, figures)
    declared = re.findall(r"^# TYPE (\w+) (counter|gauge)$", text, re.MULTILINE)
    assert declared == [(metric.name, metric.type) for metric in ALL]
    assert re.findall(r"^# HELP (\w+) ", text, re.MULTILINE) == [metric.name for metric in ALL]
    families = {name.partition("{")[0] for name in _samples(text)}
    assert families == {metric.name for metric in ALL}


def test_the_metrics_tell_the_figures(figures: dict[str, Any]) -> None:
    samples = _samples(exposition(7, figures))
    assert samples["mfl_store_leaves_total"] == 7
    assert samples['mfl_census_confirmed{indicator="robots_new"}'] == 731
    assert samples['mfl_census_completion_ratio{indicator="enterprises_on_cloud"}'] == 0.71
    assert samples['mfl_census_refuted_by_rule{indicator="robots_new",rule="not_a_copy"}'] == 61


def test_before_the_first_census_only_the_store_is_told() -> None:
    assert _samples(exposition(7, None)) == {"mfl_store_leaves_total": 7, "mfl_census_ready": 0}


def test_a_label_cannot_forge_a_sample(figures: dict[str, Any]) -> None:
    figures["figures"]["robots_new"]["refuted_by_rule"] = {'x"} 1\nmfl_forged 2\\': 3}
    assert not any(name.startswith("mfl_forged") for name in _samples(exposition(7, figures)))
