"""Peers: the same training, each as the documentation of its library writes it."""
