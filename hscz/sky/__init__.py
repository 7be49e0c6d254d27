"""Pixels: FITS images, mosaics, cut-outs, sky noise."""
