"""What may be said: tables, figures and the report's page, from the results data set and nothing else.

Rounding, the look of a p value, labels and stars exist in this room only. Nothing here reads raw data, a
study file or an estimator, so a report can be rebuilt without refitting anything.
"""
