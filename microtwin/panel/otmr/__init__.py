"""The page of the OTMR robots: sliders, the picture they make, the body in 3-D, what an estimator reads."""
