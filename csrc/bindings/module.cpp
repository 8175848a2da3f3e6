// The module faceinpaint_fast._cpu: the kernels of the best level that the processor can run.  All levels are in it, each
// a module of its own within, made when it is first used; the outer one has the names of the one in use.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <map>
#include <string>
#include <vector>

#include "processor.hpp"

namespace py = pybind11;

// FACEINPAINT_LEVELS: LEVEL(name) of each that was compiled, from the lowest to the best, by CMakeLists.txt
#define LEVEL(name)                 \
    namespace faceinpaint::name {   \
    void define(py::module_& module); \
    }
FACEINPAINT_LEVELS
#undef LEVEL

namespace {

struct Level {
    std::string name;
    void (*define)(py::module_&);
};

const std::vector<Level>& levels() {
#define LEVEL(name) {#name, &faceinpaint::name::define},
    static const std::vector<Level> all{FACEINPAINT_LEVELS};
#undef LEVEL
    return all;
}

void use_level(py::module_& module, const Level& level) {
    if (!py::hasattr(module, level.name.c_str())) {
        auto made = module.def_submodule(level.name.c_str(), "The kernels of one level.");
        level.define(made);
    }
    const py::dict names = module.attr(level.name.c_str()).attr("__dict__");
    for (const auto& [name, value] : names)
        if (!py::str(name).attr("startswith")("__").cast<bool>()) module.attr(name) = value;
    module.attr("LEVEL") = level.name;
}

}  // namespace

PYBIND11_MODULE(_cpu, module, py::mod_gil_not_used()) {
    module.doc() = "The compiled kernels, for arrays in this machine's memory.";
    std::vector<std::string> runnable;
    std::map<std::string, std::string> missing;
    // each level takes what the ones below it do
    std::string lacks;
    for (const auto& level : levels()) {
        if (lacks.empty()) lacks = faceinpaint::missing_for(level.name);
        if (lacks.empty())
            runnable.push_back(level.name);
        else
            missing[level.name] = lacks;
    }
    if (runnable.empty())
        throw py::import_error("faceinpaint_fast._cpu: expected a processor with " + lacks + ", got one without");
    module.attr("LEVELS") = py::tuple(py::cast(runnable));
    module.attr("MISSING") = missing;
    module.def(
        "use_level",
        [runnable](const std::string& name) {
            for (std::size_t i = 0; i < runnable.size(); ++i)
                if (runnable[i] == name) {
                    auto self = py::module_::import("faceinpaint_fast._cpu");
                    return use_level(self, levels()[i]);
                }
            throw py::value_error("name: expected one of LEVELS, got '" + name + "'");
        },
        py::arg("name"), "From now on, the module has the kernels of that level, one of LEVELS");
    use_level(module, levels()[runnable.size() - 1]);
}
