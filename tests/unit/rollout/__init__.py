"""Tests of rollouts that need no host."""
