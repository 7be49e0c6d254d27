"""Figures as holoviews objects."""
