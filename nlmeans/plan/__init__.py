"""What a user asks for, checked; the tables of defaults; and the plan that comes of both."""
