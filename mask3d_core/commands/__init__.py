"""The commands of `mask3d`, one module each; importing one needs no torch."""
