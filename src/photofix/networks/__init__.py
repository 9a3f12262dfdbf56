"""Networks: one a file, plain modules that do no input or output."""
