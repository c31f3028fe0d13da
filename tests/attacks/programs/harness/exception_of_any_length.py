# An exception's text is cut.
# expect: limit output
# limits: output_kib=1024
# expect on runsc: any
raise ValueError("x" * 10_000_000)
