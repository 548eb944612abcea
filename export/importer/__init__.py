"""Models of other tools, made into bundles of ours."""
