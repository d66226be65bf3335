"""What people read of a run: its report, comparisons of runs, model cards.

`results.py` reads a run directory. `report.py`, `compare.py` and `model_card.py` make the JSON files of that; what ends
in `_document.py` fills a document (`document.py`) with tables, charts and pictures; `terminal.py`, `markdown.py` and
`html_page.py` write any document. `published.py` has the paper's tables.
"""
