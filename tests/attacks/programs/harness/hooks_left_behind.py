# Hooks end with the process.
# expect: held
import builtins
import sys
import threading

sys.settrace(lambda *_: None)
sys.setprofile(lambda *_: None)
threading.settrace(lambda *_: None)
builtins.open_before = builtins.open
sys.excepthook = lambda *_: None
print("held")
