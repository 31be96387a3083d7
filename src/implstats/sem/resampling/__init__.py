"""What would other samples have given: bootstrap, Bollen-Stine test, Monte Carlo intervals?"""
