"""Where is the optimum of a model for binary, count or ordinal outcomes, and is it one?"""
