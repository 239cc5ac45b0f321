"""docs/errors.md is made from the catalogue: it is what its maker makes, and has every code."""

import re
import runpy
from pathlib import Path

from tidings.errors import CATALOGUE

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "errors.md").read_text("utf-8")


def test_the_page_is_what_make_docs_writes() -> None:
    made = runpy.run_path(str(DOCS / "errors.py"))["page"]()
    assert made == PAGE, "run `make docs`"


def test_every_code_has_a_row_with_its_words() -> None:
    rows = {(int(code), words) for code, words in re.findall(r"^\| `(\d+)` \| (?:\d+ \| )?(.+?) \|", PAGE, re.M)}
    assert rows == {(code, entry.message) for code, entry in CATALOGUE.items()}
