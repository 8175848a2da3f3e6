"""The search for z^: the objective, the prior, the optimisers, the loop."""
