/*
 * explain_request.h - asks those who would serve a request what would become of it.
 *
 * With workers each is asked, on its own thread, since each has turns and standings of its own; the
 * first one's way is told, and where others go elsewhere, that. Control thread.
 */
#pragma once
#include <jansson.h>

#include "userspace/control/crew.h"
#include "userspace/control/explain_query.h"

/* crew: NULL where nobody runs the snapshot: then nobody is busy, and all are fit. NULL and *err
 * where what is asked makes no sense. */
json_t *explain_request(struct snapshot *snapshot, struct crew *crew, const json_t *asked,
			struct err *err);
/* The same between texts of JSON, malloc'ed; *out_status is 200 or 400. */
char *explain_request_text(struct snapshot *snapshot, struct crew *crew, struct span asked,
			   uint32_t *out_status);
