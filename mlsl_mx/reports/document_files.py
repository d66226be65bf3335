"""The files of a document: NAME.md with its pictures in a folder, and NAME.html, which has them inside."""

from __future__ import annotations

from pathlib import Path

from mlsl_mx.reports.document import Document, pictures
from mlsl_mx.reports.html_page import html_page
from mlsl_mx.reports.markdown import PICTURES, markdown_text
from mlsl_mx.system.whole_files import write_bytes


def write_document(document: Document, folder: Path, name: str) -> None:
    """Write all of them.

    Raises: InputError if a file cannot be written.
    """
    for picture in pictures(document.parts):
        write_bytes(folder / PICTURES / picture.file, picture.content)
    write_bytes(folder / f"{name}.md", f"{markdown_text(document)}\n".encode())
    write_bytes(folder / f"{name}.html", html_page(document).encode())
