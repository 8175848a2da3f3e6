"""Train and calibrate a model: the faces, the DCGAN loop, the bounds of Eq. 5 and 6."""
