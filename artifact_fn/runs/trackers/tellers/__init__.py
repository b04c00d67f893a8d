"""Tellers: programs that speak to backends whose clients should not be in a process that trains."""
