/*
 * flows_post.h - what may be done to spliced connections by the admin socket.
 */
#pragma once
#include "userspace/control/admin_request.h"
#include "userspace/control/fast_path.h"

/*
 * "/flows/kill?all", "?upstream=NAME", "?client=ADDRESS[:PORT]": the JSON answer, malloc'ed, with
 * an "error" where *out_status is 400. NULL: no such path.
 */
char *flows_post(struct fast_path *fast_path, const struct admin_request *request,
		 uint32_t *out_status);
