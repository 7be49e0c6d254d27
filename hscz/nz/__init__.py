"""The redshift distribution of a field and of samples of it, inferred from its PDFs."""
