"""The command line: one file per verb; verbs compose and never compute."""
