"""Lists of labels: files that name pictures and their boxes, whatever form they are in."""
