"""Follow values through code that is not run: which output of which model can reach which place."""
