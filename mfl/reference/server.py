"""What does the store's server tell of itself? The page made from the declared metrics."""

from __future__ import annotations

from dashboard.exposition import ALL
from mfl.reference.tables import code, table

SOURCE = "dashboard/exposition.py"


def page() -> str:
    """Write the page."""
    rows = [(code(metric.name), metric.type, metric.help) for metric in ALL]
    return f"""# The store's server · 服务端

`mfl store serve DIR` answers, beside the store's own routes:

| path | answer |
|---|---|
| `/` | the overview, Chinese or English (`?lang=`, then `Accept-Language`, then Chinese) |
| `/api/v1/figures` | the latest census as JSON without the verdicts on single claims; strong `ETag`; 503 with `Retry-After` before the first one |
| `/metrics` | Prometheus text, below |
| `/healthz` | `ok` while the process lives |

{table(("metric", "type", "meaning"), rows)}
"""
