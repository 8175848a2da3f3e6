/* What the functions of this folder's headers are declared with. */
#ifndef FACEINPAINT_API_H
#define FACEINPAINT_API_H

#if defined(__GNUC__)
#define FACEINPAINT_API __attribute__((visibility("default")))
#else
#define FACEINPAINT_API
#endif

#endif
