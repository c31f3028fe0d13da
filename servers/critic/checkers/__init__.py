"""The tools that judge a program, one file each."""
