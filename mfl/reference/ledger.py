"""Which files and columns has a ledger? The page made from the declared columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from census.columns import FILES
from mfl.reference.tables import code, table

if TYPE_CHECKING:
    from census.columns import LedgerFile
    from census.csv_rows import Column

SOURCE = "census/columns.py"
_MEANT = {
    "uscc": "unified social credit code (GB 32100), 18 characters",
    "size": "code of the policy's `sizes`",
    "cluster": "code of the policy's `clusters`",
    "industry": "industry code (GB/T 4754), such as `C34`",
    "cloud_level": "code of the policy's `levels`",
    "cloud_provider": "the provider's id, as in `gateways.csv`",
    "provider": "the provider's id; only with kind `provider`",
    "public_key": "`ed25519 <base64>`",
    "serial": "as the maker writes it",
    "old_serial": "as the maker writes it",
    "new_serial": "as the maker writes it",
    "category": "a word: articulated, scara, delta, parallel, cartesian and the like; the policy says which are robots",
    "list": "the list's word in the policy",
    "invoice": "the invoice's number, as in `invoices.csv`",
}


def page() -> str:
    """Write the page."""
    sections = "\n\n".join(_section(name, file) for name, file in FILES.items())
    return f"""# Ledger · 台账

A folder of CSV files, UTF-8, with a header line; what is claimed, and the papers it rests on. Dates are written
`2018-01-05`; an empty cell means open or unknown. A row that cannot be read is reported with its file, line and column,
and the rest counts. A file may be missing.

Beside `named_lists.csv` stands `named_lists.sig`: a line for each signer, `ed25519 <public key> <signature>`, both base64, the
Ed25519 signature over `mfl-named-lists-v1`, a newline, and the bytes of `named_lists.csv`. A list counts when the key that the
policy names as its issuer's is among them. `mfl census sign-lists` writes a line.

{sections}
"""


def _section(name: str, file: LedgerFile) -> str:
    rows = [(code(column.name), "yes" if column.required else "", _cell(column)) for column in file.columns]
    unique = (
        f"\n\nOne row for each {', '.join(code(column) for column in file.unique)}." if file.unique else ""
    )
    return f"## {name}.csv\n\n" + table(("column", "required", "cell"), rows) + unique


def _cell(column: Column) -> str:
    """Say what a cell holds: what its reader says it expected, or what the words are codes of."""
    if column.name in _MEANT:
        return _MEANT[column.name]
    try:
        column.read("?")
    except ValueError as error:
        found = re.match(r"expected (.+?), not ", str(error))
        return found[1] if found else str(error)
    return "text"
