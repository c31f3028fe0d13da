# The dead that nobody collects take a place each.
# expect: limit processes
# limits: process_count=40
import os

while True:
    if os.fork() == 0:
        os._exit(0)
