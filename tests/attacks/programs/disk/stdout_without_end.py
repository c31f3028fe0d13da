# Output has an end.
# expect: limit output
# limits: output_kib=64
import sys

while True:
    sys.stdout.write("x" * 65536)
