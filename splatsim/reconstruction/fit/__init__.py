"""From posed pictures to Gaussians: `run.fit` is the whole, `optimisation` a step, `recipe` the numbers behind it."""
