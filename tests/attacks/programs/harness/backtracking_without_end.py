# A library busy in C hears the clock.
# expect: limit wall_time
# limits: wall_time_s=1
import re

re.match(r"(a+)+$", "a" * 40 + "b")
