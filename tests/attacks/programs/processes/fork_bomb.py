# Processes without end would leave the machine none.
# expect: limit processes
# limits: process_count=40
import os

while True:
    os.fork()
