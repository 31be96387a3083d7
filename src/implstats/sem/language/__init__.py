"""Which model does a text in lavaan's language mean, parameter by parameter?"""
