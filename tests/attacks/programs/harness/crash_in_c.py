# A crash is the program's own.
# expect: failed
import ctypes

ctypes.string_at(0)
