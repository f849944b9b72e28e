/* SPDX-License-Identifier: MIT */
/*
 * Plugins as callers of the internal side.
 */

#ifndef PLATFORM_CALLER_H
#define PLATFORM_CALLER_H

#include "platform/api.h"


/* false, and the call has been answered, if the plugin lacks it */
bool caller_may(struct call *call, enum capability capability);

#endif /* PLATFORM_CALLER_H */
