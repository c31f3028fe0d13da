# A thread that is waited for has the same clock.
# expect: limit wall_time
# limits: wall_time_s=1
import threading
import time

threading.Thread(target=time.sleep, args=(600,)).start()
