# An abort is the program's own.
# expect: failed
import os

os.abort()
