/*
 * deed_print.h - a request that came, as JSON: with the names of explain_print.h where both tell
 * it. Pure.
 */
#pragma once
#include <jansson.h>

#include "userspace/proxy/deed_ring.h"
#include "userspace/snapshot/snapshot.h"

/*
 * model: of the texts by which it was done; NULL: nobody has them any more, and what has to be
 * looked up there is told in general words. snapshot: of that model, for certificates; may be NULL.
 */
json_t *deed_print(const struct deed *deed, const struct model *model,
		   const struct snapshot *snapshot);
