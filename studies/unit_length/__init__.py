"""What int8 costs where VGG's vectors are divided by their length."""
