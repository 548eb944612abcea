"""Sessions of a study against each other: conditions, groups, and a subject over time."""
