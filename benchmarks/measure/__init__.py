"""One measurement after the other on the machine at hand."""
