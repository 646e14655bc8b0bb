"""How the annotations of splatsim are run by the tests: beartype, where an int is a float as PEP 484 says."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
