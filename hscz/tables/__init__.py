"""Rows: source catalogues, their descriptors, matching, selection and labels."""
