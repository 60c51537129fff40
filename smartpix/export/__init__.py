"""Networks of whole numbers as designs for programmable logic and chips."""
