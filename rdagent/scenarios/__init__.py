"""What users of a scenario import."""
