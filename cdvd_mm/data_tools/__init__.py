"""Programs that make or check data."""
