"""What the weights of a recogniser are looked for in."""
