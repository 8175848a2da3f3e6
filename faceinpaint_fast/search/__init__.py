"""The search for z^: what is asked, the objective, the prior, the starts, the optimisers, the loop."""
