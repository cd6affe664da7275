"""The main page: the live view, its controls and its charts."""
