"""Speed, memory and accuracy, each beside what one would use instead."""
