"""How are a big city's rows written without sealing them? The same world, folded by columns into day files."""
