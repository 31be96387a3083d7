"""What does a parameter vector imply: matrices, moments, derivatives, starts, standardised values?"""
