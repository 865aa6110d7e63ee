"""A system of Apollo's size: 28 models, ten versions each, and one combination that is the best by construction."""
