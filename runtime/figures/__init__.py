"""Figures of a recorded session: what each person in it showed, with intervals. Reads a store, and decides nothing."""
