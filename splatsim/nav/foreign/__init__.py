"""Episodes of other benchmarks, read as ours and written back: GN-Bench, Habitat, VLN-CE, EVT-Bench."""

from splatsim.nav.foreign.gn_bench import read_gn_bench as read_gn_bench
from splatsim.nav.foreign.gn_bench import write_gn_bench as write_gn_bench
from splatsim.nav.foreign.habitat import read_habitat as read_habitat
from splatsim.nav.foreign.habitat import write_habitat as write_habitat
from splatsim.nav.foreign.reading import Reading as Reading
from splatsim.nav.foreign.scenarios import read_scenario as read_scenario
from splatsim.nav.foreign.scenarios import read_scenario_split as read_scenario_split
from splatsim.nav.foreign.scenarios import write_scenario as write_scenario
