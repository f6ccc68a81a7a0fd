"""The models. One file for each model holds its path, fields, limits, price and render pace."""
