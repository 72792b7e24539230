"""The gallery's machinery: what figures need is made or loaded, then they are drawn, checked, and listed on a page.

``source`` says where figures come from, ``needed`` what they need and what of it is missing, ``making`` makes it and computes
the tables, ``drawing`` writes pictures and CSV files, ``page`` the page of all figures, and ``compare`` checks tables against
the CSV files that were drawn before.
"""
