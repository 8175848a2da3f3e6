"""Networks with their pullbacks: a DCGAN's adjoint written out, or any other by the tape."""
