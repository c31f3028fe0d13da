# Replacing the ways out does not keep the run alive.
# expect: any
import atexit
import os
import sys
import threading

os._exit = lambda code: None
sys.exit = lambda code=0: None
atexit._run_exitfuncs = lambda: None
threading._shutdown = lambda: None
