# Becoming another program again and again changes no limit.
# expect: limit wall_time
# limits: wall_time_s=2
import os
import sys

os.execv(sys.executable, [sys.executable, "-S", "-c", "import os, sys; os.execv(sys.executable, sys.orig_argv)"])
