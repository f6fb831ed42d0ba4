"""One reader a data set, a function from a path to Splits; lamv.data.DATASETS lists them."""
