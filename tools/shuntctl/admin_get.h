/*
 * admin_get.h - one request to the admin socket of a daemon.
 */
#pragma once
#include <stdint.h>

#include "userspace/base/err.h"

struct admin_at {
	const char *socket;
	uint32_t timeout_s; /* of silence; then it is told that there is no answer */
};

/* The body of the answer, malloc'ed; NULL and *err where there is none. */
char *admin_get(const struct admin_at *at, const char *path, struct err *err);
/* The same for POST; body may be "". What the daemon says is wrong stands in *err. */
char *admin_post(const struct admin_at *at, const char *target, const char *body, struct err *err);
