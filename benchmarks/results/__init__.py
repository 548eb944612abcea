"""The results file: its rows, its schema, its figures."""
