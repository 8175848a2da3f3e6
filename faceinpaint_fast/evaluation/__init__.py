"""How good a restoration is: metrics, the demonstration, contact sheets."""
