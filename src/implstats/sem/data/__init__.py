"""Which persons and which moments does a model rest on?"""
