"""One self-contained HTML page from a folder of reports: tables, figures, spikes, and where each number comes from."""
