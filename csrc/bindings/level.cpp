// What a level has for Python.
#include "bindings/arrays.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

void define(py::module_& module) {
    define_weight_map(module);
    define_losses(module);
    define_layers(module);
    define_poisson(module);
    define_plate(module);
    define_search(module);
    define_mirror(module);
    // whether products of bfloat16 are no slower than those of float32
    module.attr("MULTIPLIES_BFLOAT16") = PAIRS || TILES;
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
