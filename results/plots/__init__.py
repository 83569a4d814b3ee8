"""The numbers of every kind of figure: from the tidy table and the claims to what is drawn, and to the table beside it."""
