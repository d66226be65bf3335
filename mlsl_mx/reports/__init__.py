"""What people read of a run: tables, charts, pages, pictures and model cards."""
