"""Is the tuned model better, and how sure are we: guard, paired tests, verdicts, one report."""
