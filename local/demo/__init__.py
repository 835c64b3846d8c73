"""A year of invented business for a local Landlord: `plant` puts it into the database, once.

Names, ids and figures follow from the month of the planting alone, as far as that month had come; keys and signatures
are new each time. `people.py` says who there is, `usage.py` what they use, `tickets.py` what they ask; `books.py` bills
them month by month, `trail.py` says who did what; `planting.py` stores it all. `metering.py` tells CloudWatch.
"""

from local.demo.metering import publish
from local.demo.people import HOUSE
from local.demo.planting import plant

__all__ = ["HOUSE", "plant", "publish"]
