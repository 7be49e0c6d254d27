"""Metrics of redshift estimates, with their error bars."""
