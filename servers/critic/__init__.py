"""The critic: decides whether a program may run, and says why not."""
