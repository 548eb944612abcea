"""For whom a model works: who is in which group, figures by group, and how far groups are apart."""
