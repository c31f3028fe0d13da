# The cloud's metadata are not reached.
# expect: limit network
import urllib.request

urllib.request.urlopen("http://169.254.169.254/latest/meta-data/", timeout=2)
print("BREACH: reached")
