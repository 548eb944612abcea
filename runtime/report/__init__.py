"""What a person looks at: the annotated video, plots and the report."""
