"""The server's face: pages, figures as JSON, metrics, beside the store's routes. Imported by `mfl` and the demo."""
