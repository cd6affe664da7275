"""A package, so that its tests share one panel and one browser and end them together."""
