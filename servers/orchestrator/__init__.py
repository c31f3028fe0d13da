"""Jobs: a ReAct loop over the other servers, every step stored before it is sent."""
