"""Section 3.3: a source blended into the hole of a target, by Poisson's equation or a plate's."""
