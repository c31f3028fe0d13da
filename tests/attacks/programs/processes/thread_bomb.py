# Threads count as processes do.
# expect: limit processes
# limits: process_count=40
import threading
import time

while True:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
