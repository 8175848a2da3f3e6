"""The kernels of the blend for CUDA."""
