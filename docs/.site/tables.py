"""Tables: a bar in the code of a cell, as it is meant.

Elsewhere pages are read by Markdown that needs it escaped; Python-Markdown shows the escape.
"""

import re
from typing import Any

CODE = re.compile(r"<code>[^<]*</code>")


def on_page_content(html: str, **_: Any) -> str:
    """Called by mkdocs for the HTML of each page."""
    return CODE.sub(lambda code: code[0].replace("\\|", "|"), html)
