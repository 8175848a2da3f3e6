// The module faceinpaint_fast._cpu, once processor.cpp has let it be imported.
#include "bindings/arrays.hpp"

extern "C" {
extern const int FACEINPAINT_VECTOR_BYTES = faceinpaint::VECTOR_BYTES;
extern const bool FACEINPAINT_HAS_HALVES = faceinpaint::HALVES;
}

PYBIND11_MODULE(_cpu_of_level, module, pybind11::mod_gil_not_used()) {
    module.doc() = "The compiled kernels, for arrays in this machine's memory.";
    faceinpaint::define_weight_map(module);
    faceinpaint::define_losses(module);
    faceinpaint::define_layers(module);
    faceinpaint::define_poisson(module);
    faceinpaint::define_plate(module);
    faceinpaint::define_search(module);
}
