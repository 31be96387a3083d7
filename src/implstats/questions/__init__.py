"""Questions: from scored tables to rows of the results data set.

One file a kind of question says how it becomes a model (a formula or a lavaan text with its data);
``mixed_rows`` and ``sem_rows`` turn a fit into rows; ``answer`` puts them together; ``describe`` says what a
scored table shows before any question is put to it. Nothing is imported here, so that describing a table
does not depend on the estimators.
"""
