"""Thousands of mixed runs with random cancels, and what they leave behind: nothing."""
