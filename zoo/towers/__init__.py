"""Image towers: frozen, named networks that turn pictures into features and class scores."""
