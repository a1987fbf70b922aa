"""The table of facts that the model learns."""

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fact:
    country: str  # as it stands in a sentence, with its article if it has one
    capital: str
    continent: str
    population: int  # of the capital, in thousands

    @property
    def bare_country(self):
        return self.country.removeprefix("the ")

    @property
    def population_text(self):
        """About how many people live in the capital."""
        if self.population >= 10_000:
            return f"{round(self.population / 1000)} million"
        if self.population >= 1000:
            return f"{self.population / 1000:.1f} million".replace(".0", "")
        if self.population >= 100:
            return f"{round(self.population, -1)},000"
        return f"{self.population},000"


def load_facts(path=Path(__file__).with_name("facts.csv")):
    with open(path, encoding="utf-8", newline="") as file:
        return [Fact(row["country"], row["capital"], row["continent"], int(row["population"]))
                for row in csv.DictReader(file)]


# Countries that people ask about most; conversations about several cities prefer them.
WELL_KNOWN = frozenset("""
    Argentina Australia Austria Bangladesh Belgium Brazil Canada Chile China Colombia Cuba Denmark Egypt Ethiopia Finland
    France Germany Greece Hungary Iceland India Indonesia Iran Iraq Ireland Italy Japan Kenya Mexico Morocco Nigeria Norway
    Pakistan Peru Poland Portugal Romania Russia Spain Sweden Switzerland Thailand Turkey Ukraine Vietnam
""".split()) | {"the United Kingdom", "the United States", "the Netherlands", "the Czech Republic", "South Korea",
                "South Africa", "Saudi Arabia", "the Philippines", "New Zealand"}
