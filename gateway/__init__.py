"""The edge process: device → journal → windows → sealed batches → store."""
