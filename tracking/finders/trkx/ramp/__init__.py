"""The RAMP tracking challenge of 2017: its events, its score, its starting kit, and three finders of ours."""
