"""Which city would a stranger write, who knows factories and the documents but not this program?"""
