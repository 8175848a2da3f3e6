"""How fast the engine is, beside what a user would write."""
