"""The classical rivals of the method: each fills the holes of a batch from the known pixels alone.

Every one takes images (B, H, W, 3), float64 in [0, 1], and holes (B, H, W), bool, True = missing, with a known pixel
in each; what the images hold in a hole does not matter, NaN included.  It returns float64 images: known pixels bit for
bit, the others clipped to [0, 1].
"""
