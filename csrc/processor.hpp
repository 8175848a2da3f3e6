// What the processor at hand can do.  This is asked before anything that only some processors can: processor.cpp and
// bindings/module.cpp are compiled for all of them, and belong to no level.
#pragma once

#include <string>

namespace faceinpaint {

// What the processor lacks, or the system does not let it use, of what a level takes beyond the one below it, in words;
// nothing, if it has all.
std::string missing_for(const std::string& level);

}  // namespace faceinpaint
