"""Public sets of faces in the layout that their authors hand out, for people who have the licence."""
