"""The nouns, the wire format and the seal: what every part of the house agrees on. Pure; imports nothing of ours."""
