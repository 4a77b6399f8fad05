"""What can be wrong on a board, one small check each, for `edge-runtime doctor`."""
