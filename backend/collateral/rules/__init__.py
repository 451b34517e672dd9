"""Pure rules of collateral: what readings leave behind, and what a lot's state is by that.

Two halves. *Folds* take readings in the order of their envelopes and leave a small memory behind;
they give the same memory however the readings are cut into batches. *Decisions* look at the
memories and the time, and remember nothing.
"""
