"""How sure a number is: intervals, paired differences, what so many items can show. Pure functions over plain data."""
