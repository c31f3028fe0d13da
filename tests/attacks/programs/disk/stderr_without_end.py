# Errors count as output does.
# expect: limit output
# limits: output_kib=64
import sys

while True:
    sys.stderr.write("x" * 65536)
