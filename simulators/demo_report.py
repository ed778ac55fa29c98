"""What does the demonstration say at its end? One JSON document, or the same as a page of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulators.live import LiveResult
    from simulators.live_account import LiveAccount
    from simulators.past import Past
    from simulators.score import Score

FIGURES = ("robots_new", "enterprises_on_cloud")
SURPRISES_SHOWN = 20


def demo_document(
    seed: int,
    census: Mapping[str, Any],
    *,
    score: Score,
    past: Past,
    live: LiveResult,
    account: LiveAccount,
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """Put everything the demonstration found into one JSON document."""
    return {
        "seed": seed,
        "figures": census["figures"],
        "truth": {"robots_new": score.true_robots, "enterprises_on_cloud": score.true_enterprises},
        "false_confirmed": score.false_confirmed,
        "honest_refuted": score.honest_refuted,
        "honest_unproven": score.honest_unproven,
        "by_kind": score.by_kind,
        "surprises": list(score.surprises),
        "history": {"rows": past.rows, "batches": past.batches, "refused": past.refused},
        "live": {
            "devices": live.devices,
            "readings_heard": account.heard,
            "readings_stored": account.stored,
            "lost": account.lost,
            "counter_increase_simulated": live.counter_increase,
            "counter_increase_stored": account.counter_increase,
            "gateway_exit_codes": list(live.exit_codes),
        },
        "provenance": {
            key: census[key]
            for key in ("policy_digest", "ledger_digest", "as_of", "log_size", "root_hash", "code_version")
        },
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "ok": is_ok(score, live, account),
    }


def is_ok(score: Score, live: LiveResult, account: LiveAccount) -> bool:
    """Tell whether every verdict is as the truth expects, and the live account balances."""
    balanced = account.heard == account.stored + account.lost and account.heard > 0
    exact = live.counter_increase == account.counter_increase > 0
    return not score.surprises and balanced and exact and not any(live.exit_codes)


def demo_text(document: Mapping[str, Any]) -> str:
    """Write the document for a reader."""
    return "\n".join(_lines(document))


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"{'指标 indicator':<36}{'target':>8}{'claimed':>9}{'confirmed':>11}{'refuted':>9}{'unproven':>10}{'truth':>8}"
    for name in FIGURES:
        figure = document["figures"][name]
        label = f"{figure['zh']} {name}"
        yield (
            f"{label:<{36 - _wide(label)}}{figure['target']:>8,}{figure['claimed']:>9,}{figure['confirmed']:>11,}"
            f"{figure['refuted']:>9,}{figure['unproven']:>10,}{document['truth'][name]:>8,}"
        )
    yield ""
    for name in FIGURES:
        figure = document["figures"][name]
        yield (
            f"{figure['zh']}: 完成率 {figure['completion_percent']} %, 序时进度 {figure['time_progress_percent']} %, "
            f"超序时 {figure['ahead_percent_points']} 个百分点"
        )
    yield ""
    yield "Refuted, by the rule that refuted (a claim may break several):"
    for name in FIGURES:
        for rule, count in sorted(
            document["figures"][name]["refuted_by_rule"].items(), key=lambda item: -item[1]
        ):
            yield f"  {name:<22}{rule:<28}{count:>5}"
    yield ""
    yield "Against the known truth, by kind of claim:"
    for kind, verdicts in document["by_kind"].items():
        yield f"  {kind:<32}" + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    yield (
        f"  false claims confirmed: {document['false_confirmed']}; honest ones refuted: {document['honest_refuted']}; "
        f"honest ones unproven: {document['honest_unproven']}"
    )
    yield from _surprises(document["surprises"])
    yield from _live(document)
    figure = document["provenance"]
    yield ""
    yield f"These figures are of policy {figure['policy_digest'][:12]}, ledger {figure['ledger_digest'][:12]},"
    yield f"as of {figure['as_of']}, log of {figure['log_size']:,} leaves with root {figure['root_hash'][:16]}…"
    yield "Seconds: " + ", ".join(f"{name} {value}" for name, value in document["seconds"].items())


def _live(document: Mapping[str, Any]) -> Iterator[str]:
    live, history = document["live"], document["history"]
    yield ""
    yield f"History: {history['rows']:,} rows in {history['batches']:,} sealed batches; {history['refused']} batches refused."
    yield (
        f"Live: {live['devices']} devices; readings heard {live['readings_heard']:,} = stored "
        f"{live['readings_stored']:,} + lost {live['lost']}; counters grew by {live['counter_increase_simulated']:,}, "
        f"stored {live['counter_increase_stored']:,}."
    )


def _surprises(surprises: list[str]) -> Iterator[str]:
    if surprises:
        yield f"  NOT AS EXPECTED ({len(surprises)}):"
    for text in surprises[:SURPRISES_SHOWN]:
        yield f"    {text}"


def _wide(text: str) -> int:
    """Count characters that take two columns."""
    return sum(ord(character) > 0x2E7F for character in text)
