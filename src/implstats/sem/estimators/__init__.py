"""Where is the optimum of a criterion, and how is it found?"""
