# A chain of processes, each the child of the last, ends with the first.
# expect: held
import os
import time

for depth in range(30):
    if os.fork():
        break
else:
    time.sleep(600)
if depth == 0:
    print("held")
else:
    time.sleep(600)
