// The module faceinpaint_fast._cpu.
#include "bindings/arrays.hpp"

PYBIND11_MODULE(_cpu, module, pybind11::mod_gil_not_used()) {
    module.doc() = "The compiled kernels, for arrays in this machine's memory.";
    faceinpaint::define_weight_map(module);
    faceinpaint::define_losses(module);
    faceinpaint::define_layers(module);
    faceinpaint::define_poisson(module);
    faceinpaint::define_plate(module);
}
