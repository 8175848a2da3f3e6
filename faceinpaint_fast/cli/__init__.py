"""The command `faceinpaint`."""
