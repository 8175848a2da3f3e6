"""The methods that ours is held against: images (B, H, W, 3), holes (B, H, W) and seeds -> restored images."""
