/*
 * flows_move.h - POST /flows/freeze, /flows/resume, /flows/forget and /flows/import: splices leave
 * for another node, and come from one (splicer_move.h, flow_file.h).
 *
 * On the control thread.
 */
#pragma once
#include "userspace/control/admin_request.h"
#include "userspace/splice/splicer_move.h"

/* Malloc'ed JSON; NULL: no such path. splicer NULL: this shuntd does not splice, and says so. */
char *flows_move(struct splicer *splicer, const struct admin_request *request,
		 uint32_t *out_status);
