"""What an attempt costs, and where that figure comes from.

Amounts are integer nano-dollars, rounded once an attempt, ties to even. A model without a price is
refused: nothing is ever free by accident.
"""

from rung.pricing.book import PriceBook
from rung.pricing.fixed import FixedPricer, PriceOverride, Pricer
from rung.pricing.listed import ListedPricer

__all__ = ["PriceBook", "PriceOverride", "Pricer", "FixedPricer", "ListedPricer"]
