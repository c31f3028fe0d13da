# What is no file must not be waited for.
# expect: held
# artifacts: none
import os
import socket

os.mkfifo("pipe.csv")
listener = socket.socket(socket.AF_UNIX)
listener.bind("socket.csv")
print("held")
