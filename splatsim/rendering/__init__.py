"""One renderer, three back ends that agree: a reference in plain torch, native CPU kernels, gsplat on CUDA."""

from splatsim.rendering._lift import lift as lift
from splatsim.rendering._render import Backend as Backend
from splatsim.rendering._render import Render as Render
from splatsim.rendering._render import choose_backend as choose_backend
from splatsim.rendering._render import render as render
from splatsim.rendering._surface import Surface as Surface
from splatsim.rendering._surface import render_surface as render_surface
