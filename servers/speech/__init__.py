"""Writes down what is said in a recording."""
