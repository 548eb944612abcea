"""Other packages that classify expressions, on the same face crops and in the same run as ours."""
