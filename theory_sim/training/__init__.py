"""Networks, how they are trained, what is recorded, and how they are read and tested."""
