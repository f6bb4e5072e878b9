"""Minnow: small language models from your own text, on your own machine."""
