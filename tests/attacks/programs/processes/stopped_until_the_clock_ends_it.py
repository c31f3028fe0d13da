# A stopped process does nothing, and must end all the same.
# expect: limit wall_time
# limits: wall_time_s=1
import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
