"""The parts of tests/verify that need no host."""
