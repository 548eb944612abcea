"""Many trainings that differ in a few keys: the published grids and one's own, shared through Optuna's storage."""
