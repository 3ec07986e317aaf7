"""Writing to companies from stored facts: what may be said, in which words, and whether a text keeps to it."""
