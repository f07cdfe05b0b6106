"""Post-processing: predictions of the network in, instances of the scan out."""
