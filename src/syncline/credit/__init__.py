"""Whether an account may buy on credit: pure functions of its figures, its claims and the rules."""
