"""The command line: one table of verbs, each loaded on use. Imported by nothing of ours."""
