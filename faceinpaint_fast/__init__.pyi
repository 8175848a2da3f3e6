from . import reference as reference
from .blend.doors import BiharmonicSolver as BiharmonicSolver
from .blend.doors import PoissonSolver as PoissonSolver
from .blend.doors import TensionSolver as TensionSolver
from .blend.doors import biharmonic_blend as biharmonic_blend
from .blend.doors import poisson_blend as poisson_blend
from .blend.doors import tension_blend as tension_blend
from .config import InpaintConfig as InpaintConfig
from .config import Normalization as Normalization
from .config import Stage as Stage
from .errors import InputError as InputError
from .errors import ModelError as ModelError
from .ops import ssim as ssim
from .ops import weighted_l1 as weighted_l1
from .photo.restoration import Restoration as Restoration
from .photo.restorer import Restorer as Restorer
from .pipeline import Inpainter as Inpainter
from .pipeline import Inpainting as Inpainting
from .search.objective import context_loss as context_loss
from .search.objective import structural_loss as structural_loss
from .weight_map import weight_map as weight_map

__version__: str
