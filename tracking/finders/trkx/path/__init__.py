"""The learned cone: a recurrent network that tells from the hits of a path where the next module is crossed."""
