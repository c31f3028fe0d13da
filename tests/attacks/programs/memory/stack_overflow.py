# A stack without end is the program's own death.
# expect: failed or limit memory
import sys

sys.setrecursionlimit(10**9)


def down():
    down()


down()
