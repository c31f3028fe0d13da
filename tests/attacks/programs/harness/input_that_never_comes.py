# There is nothing to read, and nothing to wait for.
# expect: held
import sys

assert sys.stdin.read() == ""
print("held")
