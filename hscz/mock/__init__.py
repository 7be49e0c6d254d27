"""A physical mock of the survey with known truth, written as real-format files."""
