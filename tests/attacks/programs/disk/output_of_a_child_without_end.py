# A child's output counts, too.
# expect: limit output
# limits: output_kib=64
import subprocess
import sys

subprocess.run([sys.executable, "-S", "-c", "while True: print('x' * 9999)"])
