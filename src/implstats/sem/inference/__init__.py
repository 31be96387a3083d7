"""How sure are we of an estimate and of a test?"""
