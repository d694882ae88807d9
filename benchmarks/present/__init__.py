"""Results for people: tables, charts, the page, and what moved between two runs."""
