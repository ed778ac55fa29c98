"""The verifier: claims × evidence → findings → verdicts → figures. Knows no gateway, no simulator, no truth but the log."""
