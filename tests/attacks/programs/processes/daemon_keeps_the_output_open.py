# A child that holds the output pipe must not keep the run from ending.
# expect: held
import os
import time

print("held", flush=True)
if os.fork() == 0:
    os.setsid()
    time.sleep(600)
