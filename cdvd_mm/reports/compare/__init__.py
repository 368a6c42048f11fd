"""Several models beside each other on the same frames."""
