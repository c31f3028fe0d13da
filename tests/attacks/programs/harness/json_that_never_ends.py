# The library that writes the report is the program's to break, for itself.
# expect: limit wall_time
# limits: wall_time_s=1
import json


def forever(*_, **__):
    while True:
        pass


json.dumps = forever
